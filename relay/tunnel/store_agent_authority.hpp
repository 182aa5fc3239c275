#pragma once
#include <functional>
#include <mutex>
#include <unordered_map>

#include "relay/store/catalog.hpp"
#include "relay/store/database.hpp"
#include "relay/store/keyring.hpp"
#include "relay/tunnel/agent_authority.hpp"

namespace postern::relay {

/// AgentAuthority on the catalog and the store. All references outlive it.
class StoreAgentAuthority final : public AgentAuthority {
 public:
  /// `on_agents_changed` runs after an agent has joined, on a session's loop: reload the catalog, without
  /// blocking.
  StoreAgentAuthority(Database& database, const Keyring& keyring, const CatalogHolder& catalog,
                      const Clock& clock, std::function<void()> on_agents_changed);

  std::optional<AgentVerifier> find_agent(AgentId agent) override;
  boost::asio::awaitable<Result<JoinVerifier>> find_enrollment(JoinId join) override;
  boost::asio::awaitable<Result<AgentId>> claim(EnrollClaim claim) override;
  void withdrawn(AgentId agent) override;
  boost::asio::awaitable<Result<void>> rotate(NextSecret next) override;
  boost::asio::awaitable<Result<LoginFindings>> logged_in(AgentLogin login) override;
  boost::asio::awaitable<Result<void>> copy_refused(AgentId agent, std::string peer) override;

 private:
  struct Fresh {
    std::shared_ptr<const Agent> replaces;  ///< the catalog's view when the agent joined or rotated
    AgentVerifier verifier;
  };
  void remember(const JoinVerifier& join, const EnrollClaim& claim);
  void remember(const NextSecret& next);

  Database& database_;
  const Keyring& keyring_;
  const CatalogHolder& catalog_;
  const Clock& clock_;
  std::function<void()> on_agents_changed_;
  std::mutex mutex_;
  /// Agents that joined or rotated here and that the catalog still shows as before: an agent logs in at once
  /// after either.
  std::unordered_map<AgentId, Fresh> fresh_;
};

}  // namespace postern::relay
