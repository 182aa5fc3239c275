#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "relay/store/event_log.hpp"

namespace postern::relay {

class PartBreakers;

/// How a destination's deliveries travel just now.
enum class QueueMode {
  direct,    ///< new ones are committed as leased and handed over in memory
  draining,  ///< older ones wait in the store: new ones are committed behind them, oldest goes first
  away,      ///< its agent holds no session: new ones are parked
  app_away,  ///< its agent cannot reach the app: new ones are parked
  disabled,  ///< switched off: new ones are parked
  broken,    ///< down, says its breaker: new ones are parked
};
inline bool is_running(QueueMode mode) {
  return mode == QueueMode::direct || mode == QueueMode::draining;
}
std::string_view to_text(QueueMode mode);
/// Why deliveries are parked in a mode that is not running.
std::string_view parking_reason(QueueMode mode);

/// Figures of one queue that other threads may read while the dispatcher works.
struct QueueGauges {
  std::atomic<std::size_t> waiting{0};  ///< leased by this node, not started
  std::atomic<unsigned> in_flight{0};
  std::atomic<unsigned> window{0};  ///< attempts at once it is given just now

  // Of the breaker; times in microseconds, 0 for none.
  std::atomic<int> breaker_state{0};
  std::atomic<std::int64_t> breaker_since{0};
  std::atomic<std::int64_t> breaker_probe_at{0};
  std::atomic<unsigned> breaker_attempts{0};
  std::atomic<unsigned> breaker_failures{0};
  std::atomic<unsigned> breaker_in_a_row{0};
  std::shared_ptr<PartBreakers> parts;  ///< set once, before others see it; null: it has none
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
