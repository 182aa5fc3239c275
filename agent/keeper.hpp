#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "agent/forwarder.hpp"
#include "agent/reconnect.hpp"
#include "agent/state.hpp"
#include "agent/status.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::agent {

inline constexpr int kExitBrokenOff = 1;
inline constexpr int kExitRevoked = 3;

/// Keeps one session with the relay: dials, proves itself, hands deliveries to the forwarder, and starts
/// again when it ends. One loop; all references outlive it.
class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    const StateDir& state_dir;
    StatusBoard& board;
    const Clock& clock;
    Random& random;
    tunnel::ConnectionLimits limits;
  };
  struct Settings {
    bool exit_on_revoked = false;
    std::function<void()> on_first_session;  ///< may be empty
  };
  Keeper(Parts parts, Identity identity, std::shared_ptr<Forwarder> forwarder, Settings settings);

  /// Until drain() has finished (0), stop() has cut it short, or the credential is refused and the settings
  /// say to exit then.
  boost::asio::awaitable<int> run();
  /// Takes nothing new, finishes what is in flight (at most limits.drain), and lets run() end.
  void drain();
  /// Breaks off what is in flight and lets run() end with kExitBrokenOff, within limits.close.
  void stop();

  unsigned long sessions() const { return parts_.board.status().sessions; }

 private:
  class Events;
  boost::asio::awaitable<void> finish_calls();
  boost::asio::awaitable<SessionEnd> hold_session();
  boost::asio::awaitable<void> sleep(Duration wait);
  boost::asio::awaitable<void> keep_status(std::shared_ptr<Keeper> self);
  tunnel::AgentConnection::Credential credential() const;
  void opened(const tunnel::Admission& admission);
  void report(const SessionEnd& end, const NextTry& next);

  Parts parts_;
  Identity identity_;
  std::shared_ptr<Forwarder> forwarder_;
  Settings settings_;
  const tunnel::TlsContext tls_;
  const Uuid instance_;
  ReconnectPolicy policy_;
  boost::asio::steady_timer nap_;  ///< between tries
  boost::asio::steady_timer tick_;
  std::shared_ptr<tunnel::AgentConnection> connection_;
  bool draining_ = false;
  bool stopping_ = false;
  bool running_ = false;
};

}  // namespace postern::agent
