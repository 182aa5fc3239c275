#pragma once
#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"
#include "relay/store/store_stats.hpp"

namespace postern::relay {

/// How long an event that comes now will wait for the store. The oldest one's wait says it for a store that
/// stands still, but late for a queue that has just become long; its length and what an event took of the
/// writers' time lately say that. Pure; one thread.
class WaitEstimate {
 public:
  Duration look(const StorePressure& pressure) {
    learn(pressure);
    const double coming = each_micros_ * static_cast<double>(pressure.appends_waiting);
    return std::max(pressure.oldest_append, Duration(static_cast<std::int64_t>(coming)));
  }

 private:
  /// Of a group of many an event takes far less than alone, so what many have taken counts for more: both
  /// sums forget a quarter each time.
  void learn(const StorePressure& pressure) {
    const auto taken = pressure.appends_taken - taken_;
    const Duration busy = pressure.busy - busy_;
    taken_ = pressure.appends_taken;
    busy_ = pressure.busy;
    if (taken == 0) return;
    recent_taken_ = recent_taken_ * 3 / 4 + static_cast<double>(taken);
    recent_micros_ = recent_micros_ * 3 / 4 + static_cast<double>(busy.count());
    each_micros_ = recent_micros_ / recent_taken_;
  }

  std::uint64_t taken_ = 0;
  Duration busy_{};
  double recent_taken_ = 0, recent_micros_ = 0, each_micros_ = 0;
};

}  // namespace postern::relay
