#pragma once
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>

#include "relay/routing/ruling.hpp"

namespace postern::relay {

///   postern_route_programs_total{result}          passed, skipped, transformed, or a fault
///   postern_route_programs_busy_total             events that found no worker in time
///   postern_route_programs_seconds                of one event, all its routes, without the wait for a
///   worker postern_route_workers_ended_total{fault}      worker processes that had to be replaced
/// All series exist from the start. Safe from any thread; the registry outlives it.
class ProgramMetrics {
 public:
  explicit ProgramMetrics(prometheus::Registry& registry);

  void count(const Ruling& ruling);
  void worker_ended(Fault fault) { ended_[static_cast<std::size_t>(fault)]->Increment(); }

  prometheus::Counter& busy;
  prometheus::Histogram& seconds;

 private:
  std::array<prometheus::Counter*, 3> kinds_{};
  std::array<prometheus::Counter*, kFaults> faults_{};
  std::array<prometheus::Counter*, kFaults> ended_{};
};

}  // namespace postern::relay
