#pragma once
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// How a destination's deliveries travel just now.
enum class QueueMode {
  direct,    ///< new ones are committed as leased and handed over in memory
  draining,  ///< older ones wait in the store: new ones are committed behind them, oldest goes first
  away,      ///< its agent holds no session: new ones are parked
  disabled,  ///< switched off: new ones are parked
};
std::string_view to_text(QueueMode mode);

/// Figures of one queue that other threads may read while the dispatcher works.
struct QueueGauges {
  std::atomic<std::size_t> waiting{0};  ///< leased by this node, not started
  std::atomic<unsigned> in_flight{0};
  std::atomic<unsigned> window{0};  ///< attempts at once it is given just now
};

/// The memory a leased delivery holds, roughly. Deliveries of one event share it; counting it for each is on
/// the safe side.
inline std::size_t memory_cost(const Event& event, const std::shared_ptr<const Payload>& payload) {
  return event.body.size() + (payload ? payload->body.size() : 0) + 1024;
}
inline std::size_t memory_cost(const LeasedDelivery& leased) {
  return memory_cost(*leased.event, leased.payload);
}

}  // namespace postern::relay
