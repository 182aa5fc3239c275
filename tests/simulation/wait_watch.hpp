#pragma once
#include <map>

#include "tests/simulation/relay_process.hpp"

namespace postern::simulation {

/// Looks in on the relay's process a few times a second:
///
/// - A destination whose agent is there, and whose breaker is closed, is not idle for long while something
///   waits for it or is leased for it and not begun. Only what is in flight or being recorded counts as work:
///   what slips through is caught by the dispatcher's sweep, what is parked by its look at the backlog.
/// - Nothing is put off for longer than the longest of all waits, whatever the wall clock does meanwhile.
/// - While nothing is on the way to the store or back, the dispatcher accounts for just what the store says
/// is leased.
class WaitWatch {
 public:
  WaitWatch(Scheduler& scheduler, const SimulatedStore& store) : scheduler_(scheduler), store_(store) {}
  /// `relay`: null while there is none, or it sleeps. Throws Violation.
  void look(const RelayProcess* relay);

 private:
  void look_at(const RelayProcess& relay, DestinationId id);
  void check_put_off(const RelayProcess& relay) const;
  bool waits(const RelayProcess& relay, DestinationId id) const;
  std::size_t leased(const RelayProcess& relay, DestinationId id) const;

  Scheduler& scheduler_;
  const SimulatedStore& store_;
  std::map<DestinationId, SteadyTime> idle_since_;
};

}  // namespace postern::simulation
