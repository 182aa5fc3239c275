#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>

#include "relay/overload/load_level.hpp"

namespace postern::relay {

/// The level of this node, for all who have something to give up. Safe from any thread; asking is one load.
///
///   postern_load_level            0 calm … 5 no_events
///   postern_shed_total{kind="reads|replays|retries|events"}
class Shedding {
 public:
  explicit Shedding(prometheus::Registry& metrics);  ///< outlives it

  void set(LoadLevel level);
  LoadLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool gives_up(Work work) const { return level() >= relay::gives_up(work); }
  /// Something was given up.
  void count(Work work) { counters_[static_cast<std::size_t>(work)]->Increment(); }

 private:
  std::atomic<LoadLevel> level_{LoadLevel::calm};
  prometheus::Gauge* gauge_;
  std::array<prometheus::Counter*, kWorks> counters_;
};

}  // namespace postern::relay
