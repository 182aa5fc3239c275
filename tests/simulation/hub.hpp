#pragma once
#include <memory>
#include <vector>

#include "relay/tunnel/agent_directory.hpp"
#include "relay/tunnel/session_deliveries.hpp"
#include "tests/simulation/loop.hpp"
#include "tests/simulation/relay_connection.hpp"

namespace postern::simulation {

/// The relay's hub with one agent, whose newest session counts. What waits for credit, and for how long, is
/// the program's own (SessionDeliveries).
class SimulatedHub final : public relay::AgentDirectory {
 public:
  SimulatedHub(Machine& machine, Loop& loop, const Clock& clock)
      : machine_(machine), loop_(loop), clock_(clock) {}
  ~SimulatedHub() override;

  /// Fences whatever session there was.
  void connected(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Link>& link);
  void go_away();  ///< the relay stops politely

  bool present(AgentId) const override { return session_ != nullptr; }
  boost::asio::awaitable<relay::AgentAnswer> deliver(AgentId agent, relay::AgentRequest request) override;
  void acknowledge(AgentId agent, DeliveryId delivery, unsigned attempt) override;
  void on_presence(std::function<void(AgentId, bool)> listener) override { listener_ = std::move(listener); }
  void disconnect(AgentId, std::string_view) override {}

 private:
  struct Session {
    std::shared_ptr<SimulatedRelayConnection> connection;
    std::shared_ptr<relay::SessionDeliveries> deliveries;
  };
  using SessionPtr = std::shared_ptr<Session>;
  void closed(const SessionPtr& session);

  Machine& machine_;
  Loop& loop_;
  const Clock& clock_;
  SessionPtr session_;
  std::vector<SessionPtr> all_;  // those that have not ended
  std::function<void(AgentId, bool)> listener_;
};

}  // namespace postern::simulation
