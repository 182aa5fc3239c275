#pragma once
#include <string_view>

namespace prometheus {
class Counter;
class Gauge;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

#include "relay/model.hpp"

namespace postern::relay {

/// The hub's numbers. Safe from any thread.
class HubMetrics {
 public:
  explicit HubMetrics(prometheus::Registry& registry);

  prometheus::Gauge& sessions;
  prometheus::Gauge& connections;
  prometheus::Gauge& in_flight;  ///< deliveries on the wire or waiting for credit
  prometheus::Counter& rotations;
  prometheus::Counter& copies;  ///< logins that showed the state of a copy

  /// `result`: "ok", "joined", or the code a connection ended with before it was authenticated.
  void handshake(std::string_view result);
  void closed_at_accept(std::string_view why);
  /// Any text: one that is not a known end is counted as "other".
  void session_ended(std::string_view code);
  void delivery(Outcome outcome);

 private:
  prometheus::Family<prometheus::Counter>& handshakes_;
  prometheus::Family<prometheus::Counter>& turned_away_;
  prometheus::Family<prometheus::Counter>& ended_;
  prometheus::Counter* outcomes_[4];
};

}  // namespace postern::relay
