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
  return a.state == b.state && a.stored_key == b.stored_key && a.next_stored_key == b.next_stored_key;
}

AgentVerifier to_verifier(const Agent& agent) {
  AgentVerifier verifier{agent.id, agent.workspace_id, agent.stored_key, agent.server_key, agent.generation};
  verifier.replicas = agent.replicas;
  verifier.next_stored_key = agent.next_stored_key;
  verifier.next_server_key = agent.next_server_key;
  verifier.key_epoch = agent.key_epoch;
  verifier.keyed_at = agent.keyed_at.value_or(agent.created_at);
  verifier.rotation_asked = agent.rotation_asked_at.has_value();
  verifier.on_copy = agent.on_copy;
  verifier.copy_cleared_at = agent.copy_cleared_at;
  return verifier;
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
  return to_verifier(agent);
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
  AgentVerifier verifier = to_verifier(*found->second);
  verifier.stored_key = claim.stored_key;
  verifier.server_key = claim.server_key;
  verifier.generation = 0;
  verifier.next_stored_key.clear();
  verifier.next_server_key.clear();
  verifier.key_epoch = 0;
  verifier.keyed_at = clock_.now();
  verifier.rotation_asked = false;
  fresh_[join.agent_id] = Fresh{found->second, std::move(verifier)};
}

void StoreAgentAuthority::withdrawn(AgentId agent) {
  const std::lock_guard lock(mutex_);
  fresh_.erase(agent);
}

asio::awaitable<Result<void>> StoreAgentAuthority::rotate(NextSecret next) {
  struct Done {};
  auto job = [next, now = clock_.now(), &keyring = keyring_](Transaction& tx) -> Result<Done> {
    auto kept = AgentRepository(tx, keyring).set_next_secret(next, now);
    if (!kept) return std::unexpected(kept.error());
    return Done{};
  };
  auto kept = co_await write<Done>(database_, std::move(job));
  if (!kept) co_return std::unexpected(kept.error());
  remember(next);
  if (on_agents_changed_) on_agents_changed_();
  co_return Result<void>();
}

/// The agent comes back with its next secret at once.
void StoreAgentAuthority::remember(const NextSecret& next) {
  auto verifier = find_agent(next.agent);
  if (!verifier || verifier->next_stored_key == next.stored_key || verifier->key_epoch + 1 != next.key_epoch)
    return;
  verifier->next_stored_key = next.stored_key;
  verifier->next_server_key = next.server_key;
  const auto catalog = catalog_.current();
  const auto found = catalog->agents.find(next.agent);
  if (found == catalog->agents.end() || found->second->next_stored_key == next.stored_key) return;
  const std::lock_guard lock(mutex_);
  fresh_[next.agent] = Fresh{found->second, std::move(*verifier)};
}

asio::awaitable<Result<LoginFindings>> StoreAgentAuthority::logged_in(AgentLogin login) {
  auto job = [login, now = clock_.now(), &keyring = keyring_](Transaction& tx) -> Result<LoginFindings> {
    return AgentRepository(tx, keyring).record_login(login, now);
  };
  auto found = co_await write<LoginFindings>(database_, std::move(job));
  if (found && found->rotated && on_agents_changed_) on_agents_changed_();
  co_return found;
}

asio::awaitable<Result<void>> StoreAgentAuthority::copy_refused(AgentId agent, std::string peer) {
  struct Done {};
  auto job = [agent, peer, now = clock_.now(), &keyring = keyring_](Transaction& tx) -> Result<Done> {
    auto noted = AgentRepository(tx, keyring).suspect_copy(agent, peer, now);
    if (!noted) return std::unexpected(noted.error());
    return Done{};
  };
  auto done = co_await write<Done>(database_, std::move(job));
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>();
}

}  // namespace postern::relay
