#include "relay/tunnel/credential_desk.hpp"

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

tunnel::Refusal to_refusal(const Error& error) {
  if (error.code == "superseded" || error.code == "not_found")
    return {"superseded", "The agent's secret is not the one of this session any more.", false, Duration(0)};
  return {"busy", "The relay could not store the new secret just now.", true, std::chrono::seconds(1)};
}

asio::awaitable<void> keep(std::shared_ptr<HubCore> core, NextSecret next,
                           std::function<void(std::optional<tunnel::Refusal>)> done) {
  auto kept = co_await core->authority.rotate(std::move(next));
  done(kept ? std::nullopt : std::optional(to_refusal(kept.error())));
}

asio::awaitable<void> record(std::shared_ptr<HubCore> core, AgentLogin login,
                             std::function<void(LoginFindings)> found) {
  const AgentId agent = login.agent;
  auto recorded = co_await core->authority.logged_in(std::move(login));
  if (recorded) {
    found(*recorded);
  } else {
    log::warn("agent.login_not_recorded", {{"agent", agent}, {"code", recorded.error().code}});
  }
}

asio::awaitable<void> note_copy(std::shared_ptr<HubCore> core, AgentId agent, std::string peer) {
  auto noted = co_await core->authority.copy_refused(agent, std::move(peer));
  if (!noted) log::warn("agent.copy_not_recorded", {{"agent", agent}, {"code", noted.error().code}});
}

}  // namespace

AgentVerifier proven_with(AgentVerifier agent, std::uint32_t key_epoch) {
  if (agent.next_stored_key.empty() || key_epoch != agent.key_epoch + 1) return agent;
  agent.stored_key = std::move(agent.next_stored_key);
  agent.server_key = std::move(agent.next_server_key);
  agent.next_stored_key.clear();
  agent.next_server_key.clear();
  ++agent.key_epoch;
  return agent;
}

AgentLogin login_of(const tunnel::Hello& hello, std::string peer) {
  return {.agent = AgentId{hello.id},
          .generation = 0,
          .shown = hello.generation,
          .key_epoch = hello.key_epoch,
          .instance = hello.instance_id,
          .previous_instance = hello.previous_instance_id,
          .peer = std::move(peer)};
}

tunnel::Refusal copied() {
  return {
      "copied",
      "Another process has logged in with a newer state of this agent: its state directory was copied. Stop "
      "one of the two, or have the alarm cleared at the relay.",
      false, Duration(0)};
}

bool wants_rotation(const AgentVerifier& agent, Time now, Duration rotate_after) {
  // Replicas run on copies of one state: each would make a secret of its own.
  if (agent.replicas) return false;
  return agent.rotation_asked || (rotate_after > Duration(0) && now - agent.keyed_at >= rotate_after);
}

void keep_next_secret(const asio::any_io_executor& executor, std::shared_ptr<HubCore> core,
                      const AgentVerifier& proven, tunnel::RotateRequest request,
                      std::function<void(std::optional<tunnel::Refusal>)> done) {
  NextSecret next{.agent = proven.agent_id,
                  .workspace = proven.workspace_id,
                  .proven_epoch = proven.key_epoch,
                  .proven_key = proven.stored_key,
                  .key_epoch = request.key_epoch,
                  .stored_key = std::move(request.verifiers.stored_key),
                  .server_key = std::move(request.verifiers.server_key)};
  spawn(executor, keep(std::move(core), std::move(next), std::move(done)), "agent.rotate");
}

void record_login(const asio::any_io_executor& executor, std::shared_ptr<HubCore> core, AgentLogin login,
                  std::function<void(LoginFindings)> found) {
  spawn(executor, record(std::move(core), std::move(login), std::move(found)), "agent.record_login");
}

void record_copy(const asio::any_io_executor& executor, std::shared_ptr<HubCore> core, AgentId agent,
                 std::string peer) {
  spawn(executor, note_copy(std::move(core), agent, std::move(peer)), "agent.record_copy");
}

}  // namespace postern::relay
