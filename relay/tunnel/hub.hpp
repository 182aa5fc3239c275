#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "relay/limits/failure_limiter.hpp"
#include "relay/tunnel/agent_authority.hpp"
#include "relay/tunnel/agent_directory.hpp"
#include "relay/tunnel/handshake_pace.hpp"
#include "relay/tunnel/tls_slot.hpp"
#include "tunnel-proto/limits.hpp"
#include "tunnel-proto/tls_identity.hpp"

namespace prometheus {
class Registry;
}

namespace postern::relay {

/// Something about an agent's access that a person may have to account for later.
struct TunnelAudit {
  std::string action;  ///< agent.joined, agent.join_refused, agent.login_refused, agent.replaced,
                       ///< agent.copy_suspected, agent.copy_refused, agent.secret_rotated, agent.token_reused
  std::optional<WorkspaceId> workspace_id;  ///< known only where the id that was claimed exists
  std::string
      object;        ///< the id that was claimed (agt_…, jn_…); not proven for login_refused and join_refused
  std::string code;  ///< why, where it was refused
  std::string peer;  ///< address:port of the socket
};

struct HubOptions {
  boost::asio::ip::tcp::endpoint listen;
  std::string relay_id = "postern";  ///< shown to agents; not secret
  std::size_t handshakes = 256;  ///< at once; more wait in the kernel, each for at most the handshake's time
  std::size_t handshakes_per_source = 64;  ///< of one address; more are closed at once
  HandshakePace::Rules pace{};             ///< of handshakes after the start
  std::size_t connections = 20'000;        ///< in all; more are closed at once
  std::size_t waiting_per_session = 4096;  ///< deliveries that wait for an agent's credit; more are not sent
  Duration return_after = std::chrono::milliseconds(250);  ///< told to agents when the relay stops
  Duration return_spread = std::chrono::seconds(1);
  Duration rotate_after{};  ///< agents whose secret is older are asked for a new one; 0: none are
  FailureLimiter::Rules failures{};
  tunnel::ConnectionLimits limits = default_limits();
  /// Called on the loop of the connection; must not block. May be empty.
  std::function<void(const TunnelAudit&)> audit;

  /// Those of the protocol, with 1 024 streams a session, 256 MiB for the windows of all of them, and a drain
  /// that leaves the process time to end within 30 s.
  static tunnel::ConnectionLimits default_limits();
};

/// The tunnel listener and the sessions of the agents that came in by it. Connections are dealt round robin
/// to the loops; each lives and dies on its loop, its TLS handshake and authentication included.
///
/// Several sessions an agent (SPEC.md, section 8): each delivery goes to the less busy of two.
/// All references and the loops outlive the hub; the loops have stopped before it is destroyed.
class Hub final : public AgentDirectory {
 public:
  Hub(std::span<boost::asio::io_context* const> loops, AgentAuthority& authority, TunnelTls tls,
      const Clock& clock, Random& random, prometheus::Registry& metrics, HubOptions options);
  ~Hub() override;

  /// Binds, listens and starts accepting. Error `listen_failed` names the address and the reason.
  Result<boost::asio::ip::tcp::endpoint> start();

  /// A connection that another listener accepted and that begins with the tunnel's TLS; its loop is one of
  /// the hub's, and this is called on it. Judged as one that came in by the hub's own listener.
  void hand_over(boost::asio::ip::tcp::socket socket);

  bool present(AgentId agent) const override;
  AgentStanding standing(AgentId agent) const override;
  /// Of its newest login; nullopt while no session of it is live here.
  std::optional<std::uint64_t> generation(AgentId agent) const;
  /// Waits for the agent's credit, at most until the deadline (then not_sent, "no_credit"). A delivery that
  /// did not reach the wire of a session that ended, or whose agent keeps a journal, is given to the session
  /// that replaced it. Cancelling the
  /// caller does not end it: the deadline does.
  boost::asio::awaitable<AgentAnswer> deliver(AgentId agent, AgentRequest request) override;
  void acknowledge(AgentId agent, DeliveryId delivery, unsigned attempt) override;
  void on_presence(std::function<void(AgentId, bool)> listener) override;
  std::optional<unsigned> app_places(AgentId agent, std::string_view host, std::uint16_t port) const override;
  std::optional<std::string> app_away(AgentId agent, std::string_view host,
                                      std::uint16_t port) const override;
  std::vector<tunnel::AppHealth> apps(AgentId agent) const override;
  void on_app_health(std::function<void(AgentId)> listener) override;
  void disconnect(AgentId agent, std::string_view reason) override;
  /// The authority may think otherwise of some agents now: every session looks again whether it may go on,
  /// and one that may not is ended. Safe from any thread; returns at once.
  void check_access();

  /// Stops accepting, and lets the agents open sessions elsewhere while those here go on: before drain(), as
  /// long before as there is time. Returns at once; safe from any thread, may be called twice.
  void announce();
  /// What connections from here on are shown. Safe from any thread.
  void use_tls(TunnelTls tls);

  /// Stops accepting and sends the agents away; what is in flight may finish within limits.drain. Returns at
  /// once; connections() says when it is over. Safe from any thread, may be called twice.
  void drain();
  /// Ends every connection that is left. Safe from any thread; returns at once.
  void stop();
  /// Open connections, authenticated or not. Safe from any thread.
  std::size_t connections() const;
  /// Sessions that can be delivered on now. Safe from any thread.
  std::size_t sessions() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
