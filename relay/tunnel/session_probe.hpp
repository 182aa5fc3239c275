#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/tunnel/probe_policy.hpp"
#include "tunnel-proto/relay_connection.hpp"

namespace postern::relay {

/// Asks one session, by a delivery that reaches no app, whether it delivers. Lives on the session's loop;
/// `clock` and `random` outlive it.
class SessionProbe : public std::enable_shared_from_this<SessionProbe> {
 public:
  struct Events {
    std::function<void()> live;                        ///< it delivers (again)
    std::function<void(const std::string& why)> dark;  ///< it does not, for now
    std::function<void()> hopeless;                    ///< it is to be ended
  };
  SessionProbe(const boost::asio::any_io_executor& executor, const Clock& clock, Random& random);

  /// The first probe leaves as soon as the agent grants room. Nothing is told from inside this call.
  void start(std::shared_ptr<tunnel::RelayConnection> connection, Events events);
  void credit_available();  ///< a new session has none until the agent's first frame
  /// An agent's answer has come, to whatever delivery.
  void heard();
  void stop();

  Duration round_trip() const { return round_trip_; }  ///< of the last probe that passed; 0: none has

 private:
  void arm();
  void look();
  void ask();
  void answered(SteadyTime asked_at, const tunnel::DeliveryAnswer& answer);
  void failed(ProbePolicy::Failure failure);
  void tell(ProbePolicy::State before);

  const Clock& clock_;
  Random& random_;
  boost::asio::steady_timer timer_;
  ProbePolicy policy_;
  std::shared_ptr<tunnel::RelayConnection> connection_;
  Events events_;
  std::optional<tunnel::StreamId> stream_;
  SteadyTime until_;
  Duration round_trip_{};
};

}  // namespace postern::relay
