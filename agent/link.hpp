#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "agent/forwarder.hpp"
#include "agent/reconnect.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::agent {

/// One connection with the relay, from the socket to its end, and what a Lane has to know of it. One loop.
class Link final : public tunnel::AgentEvents, public std::enable_shared_from_this<Link> {
 public:
  /// What its user is told. None of them may be empty.
  struct Told {
    std::function<void(const tunnel::Admission&)> opened;
    std::function<void()> rotation_asked;
    std::function<void(const tunnel::RotateAnswer&)> rotated;
  };

  static std::shared_ptr<Link> start(boost::asio::ip::tcp::socket socket, const tunnel::TlsContext& tls,
                                     const tunnel::ConnectionEnv& env,
                                     tunnel::AgentConnection::Credential credential,
                                     std::shared_ptr<Forwarder> forwarder, Told told);
  /// Use start().
  Link(const boost::asio::ip::tcp::socket& socket, const Clock& clock, std::shared_ptr<Forwarder> forwarder,
       Told told);

  /// Until it has opened, the relay wants to move or has gone away, or it is over: whatever of them is news.
  boost::asio::awaitable<void> news();
  bool is_open() const { return opened_at_.has_value() && !over_; }
  bool is_over() const { return over_; }
  bool wants_to_move() const { return moving_ && !over_; }
  /// Nothing new comes by it; what is in flight may finish.
  bool has_left() const { return end_.goaway && !over_; }
  /// How it ended; while it finishes what is in flight, what is known of that.
  SessionEnd end() const;
  const boost::asio::ip::tcp::endpoint& remote() const { return remote_; }
  void describe(SessionStatus& status, const Clock& clock) const;  ///< of an open one

  /// What is in flight may finish; before it has opened, the end.
  void leave(std::string_view code, std::string_view message);
  void cut(std::string_view message);
  void probe(Duration limit);
  void grant(std::uint32_t deliveries);
  /// Not while the last one waits for its answer, and at most tunnel::kRotationsMost times.
  void rotate(const tunnel::RotateRequest& request);
  void health(std::span<const tunnel::AppHealth> apps);
  /// Another session is wanted in its place, as when the relay says so.
  void move();

  void opened(const tunnel::Admission& admission) override;
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override;
  void acknowledged(std::span<const tunnel::ResultAck> acks) override;
  void rotation_asked() override;
  void rotated(const tunnel::RotateAnswer& answer) override;
  void moving(const tunnel::GoAway& goaway) override;
  void going_away(const tunnel::GoAway& goaway) override;
  void closed(const tunnel::CloseReason& reason) override;

 private:
  void tell() { news_.cancel(); }

  const Clock& clock_;
  std::shared_ptr<Forwarder> forwarder_;
  Told told_;
  boost::asio::ip::tcp::endpoint remote_;
  boost::asio::steady_timer news_;  ///< cancelled when there are any
  std::shared_ptr<tunnel::AgentConnection> connection_;
  std::optional<SteadyTime> opened_at_;
  std::optional<SteadyTime> probed_at_;
  std::uint64_t generation_ = 0;
  bool moving_ = false;
  bool rotating_ = false;
  int rotates_sent_ = 0;
  bool over_ = false;
  SessionEnd end_;
};

}  // namespace postern::agent
