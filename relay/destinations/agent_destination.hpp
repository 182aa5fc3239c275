#pragma once
#include "base/clock.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {

/// Attempts at private apps, through an agent's session. What may be dialled is the agent's business.
class AgentDestination final : public DestinationDriver {
 public:
  /// Both outlive the driver.
  AgentDestination(AgentDirectory& agents, const Clock& clock) : agents_(agents), clock_(clock) {}

  boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) override;

 private:
  std::function<void()> acknowledging(AgentId agent, const AttemptJob& job) const;

  AgentDirectory& agents_;
  const Clock& clock_;
};

/// Whether its agent says that it cannot reach the app. Any thread.
bool app_is_away(const AgentDirectory& agents, const Destination& destination);

}  // namespace postern::relay
