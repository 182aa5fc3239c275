#include "relay/tunnel/store_agent_authority.hpp"

#include "relay/store/repositories.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

JoinVerifier to_verifier(const Enrollment& enrollment) {
  return {enrollment.id,         enrollment.agent_id,   enrollment.workspace_id,
          enrollment.stored_key, enrollment.server_key, enrollment.expires_at};
}

bool same_view(const Agent& a, const Agent& b) {
  return a.state == b.state && a.stored_key == b.stored_key;
}

}  // namespace

StoreAgentAuthority::StoreAgentAuthority(Database& database, const Keyring& keyring,
                                         const CatalogHolder& catalog, const Clock& clock,
                                         std::function<void()> on_agents_changed)
    : database_(database),
      keyring_(keyring),
      catalog_(catalog),
      clock_(clock),
      on_agents_changed_(std::move(on_agents_changed)) {}

std::optional<AgentVerifier> StoreAgentAuthority::find_agent(AgentId id) {
  const auto catalog = catalog_.current();
  const auto found = catalog->agents.find(id);
  const std::lock_guard lock(mutex_);
  const auto fresh = fresh_.find(id);
  if (found == catalog->agents.end()) {
    if (fresh != fresh_.end()) fresh_.erase(fresh);
    return std::nullopt;
  }
  const Agent& agent = *found->second;
  if (fresh != fresh_.end()) {
    if (same_view(agent, *fresh->second.replaces)) return fresh->second.verifier;
    fresh_.erase(fresh);  // the catalog has moved on: it knows better, a revocation included
  }
  if (agent.state != AgentState::enrolled) return std::nullopt;
  return AgentVerifier{agent.id,         agent.workspace_id, agent.stored_key,
                       agent.server_key, agent.generation,   agent.replicas};
}

asio::awaitable<Result<JoinVerifier>> StoreAgentAuthority::find_enrollment(JoinId join) {
  auto query = [join, &keyring = keyring_](Transaction& tx) -> Result<Enrollment> {
    return AgentRepository(tx, keyring).enrollment(join);
  };
  auto found = co_await read<Result<Enrollment>>(database_, std::move(query));
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return std::unexpected(found->error());
  co_return to_verifier(**found);
}

asio::awaitable<Result<AgentId>> StoreAgentAuthority::claim(EnrollClaim claim) {
  auto job = [claim, now = clock_.now(), &keyring = keyring_](Transaction& tx) -> Result<JoinVerifier> {
    AgentRepository agents(tx, keyring);
    auto claimed =
        agents.claim(claim.join_id, claim.digest, claim.stored_key, claim.server_key, claim.facts_json, now);
    if (!claimed) return std::unexpected(claimed.error());
    auto enrollment = agents.enrollment(claim.join_id);
    if (!enrollment) return std::unexpected(enrollment.error());
    // The same claim told again must not bring back an agent that has been revoked, or has joined anew,
    // since.
    const auto agent = agents.get(enrollment->workspace_id, *claimed);
    const bool stands =
        agent && agent->state == AgentState::enrolled && agent->stored_key == claim.stored_key;
    if (!stands) return fail("conflict", "The join token was used, and what it enrolled has changed since.");
    return to_verifier(*enrollment);
  };
  auto joined = co_await write<JoinVerifier>(database_, std::move(job));
  if (!joined) co_return std::unexpected(joined.error());
  remember(*joined, claim);
  if (on_agents_changed_) on_agents_changed_();
  co_return joined->agent_id;
}

void StoreAgentAuthority::remember(const JoinVerifier& join, const EnrollClaim& claim) {
  const auto catalog = catalog_.current();
  const auto found = catalog->agents.find(join.agent_id);
  if (found == catalog->agents.end()) return;
  if (found->second->stored_key == claim.stored_key) return;  // told again, and the catalog knows
  const std::lock_guard lock(mutex_);
  fresh_[join.agent_id] =
      Fresh{found->second, {join.agent_id, join.workspace_id, claim.stored_key, claim.server_key, 0}};
}

void StoreAgentAuthority::withdrawn(AgentId agent) {
  const std::lock_guard lock(mutex_);
  fresh_.erase(agent);
}

asio::awaitable<Result<void>> StoreAgentAuthority::logged_in(AgentId agent, std::uint64_t generation) {
  struct Done {};
  auto job = [agent, generation, now = clock_.now(), &keyring = keyring_](Transaction& tx) -> Result<Done> {
    auto touched = AgentRepository(tx, keyring).touch(agent, generation, now);
    if (!touched) return std::unexpected(touched.error());
    return Done{};
  };
  auto done = co_await write<Done>(database_, std::move(job));
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>();
}

}  // namespace postern::relay
