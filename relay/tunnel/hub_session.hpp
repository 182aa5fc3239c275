#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "relay/tunnel/hub_core.hpp"
#include "relay/tunnel/session_deliveries.hpp"
#include "relay/tunnel/session_probe.hpp"

namespace postern::relay {

/// One connection of an agent, from the accepted socket to its end. Its loop's, except where said otherwise.
class HubSession final : public tunnel::RelayEvents, public std::enable_shared_from_this<HubSession> {
 public:
  /// On the socket's loop.
  static void start(const std::shared_ptr<HubCore>& core, boost::asio::ip::tcp::socket socket,
                    HandshakeGate::Place place);
  HubSession(std::shared_ptr<HubCore> core, const boost::asio::ip::tcp::socket& socket,
             HandshakeGate::Place place);

  /// Each of these may be called from any thread.
  void deliver(AgentDeliveryPtr delivery, SteadyTime until, SessionDeliveries::Done done);
  void acknowledge(tunnel::ResultAck ack);
  void close(std::string code, std::string message);
  void go_away(tunnel::GoAway goaway);
  /// The agent is to open a session elsewhere first. One that cannot is left as it is.
  void announce(tunnel::GoAway goaway);
  SessionLoad load() const;
  /// Of whom this is; fixed before it is seated.
  const SessionSeat& seat() const { return seat_; }
  void check_access();  ///< ends it when the authority no longer stands by what it has proven

  void look_up(const tunnel::Hello& hello, AccountReply reply) override;
  void enroll(const tunnel::Hello& hello, const tunnel::Account& account, tunnel::EnrollRequest request,
              EnrollReply reply) override;
  void opened(const tunnel::Hello& hello, const tunnel::Admission& admission) override;
  void rotate(tunnel::RotateRequest request, RotateReply reply) override;
  void credit_available() override;
  void health(std::vector<tunnel::AppHealth> apps) override;
  void going_away(const tunnel::GoAway& goaway) override;
  void closed(const tunnel::CloseReason& reason) override;

 private:
  void tell_acks();
  void set_live(bool live, const std::string& why = {});
  void start_probe();
  void leave();
  void fence(const std::shared_ptr<HubSession>& older);
  void token_reused(AgentId agent);
  void login_recorded(LoginFindings found);
  void copy_alarm(std::string_view action);
  void refused(const tunnel::CloseReason& reason);
  /// False, and the session ends, when the authority no longer stands by what it has proven.
  bool confirm();
  TunnelAudit audit_entry(std::string action, std::string code) const;

  std::shared_ptr<HubCore> core_;
  boost::asio::any_io_executor executor_;
  boost::asio::ip::address source_;
  std::string peer_;
  HandshakeGate::Place place_;
  std::shared_ptr<tunnel::RelayConnection> connection_;
  std::shared_ptr<SessionDeliveries> deliveries_;
  std::shared_ptr<SessionProbe> probe_;  ///< null: the agent knows none
  std::atomic<std::int64_t> round_trip_{0};
  std::atomic<std::uint32_t> assigned_{0};  ///< deliveries that were given to it and have not ended
  SessionSeat seat_;
  std::uint32_t capabilities_ = 0;
  std::string claimed_;  ///< the id in HELLO: not proven until opened() or enroll()
  std::optional<AgentVerifier> verifier_;
  std::optional<JoinVerifier> join_;
  AgentLogin login_;
  std::mutex acks_mutex_;
  std::vector<tunnel::ResultAck> acks_;  ///< not told yet; one task is on its way while there are any
  bool in_registry_ = false;
  bool live_ = false;  ///< deliveries may come to it
  bool authenticated_ = false;
  bool joined_ = false;
  bool rotation_asked_ = false;
};

}  // namespace postern::relay
