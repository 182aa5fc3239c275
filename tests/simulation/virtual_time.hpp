#pragma once
#include <optional>

#include "base/clock.hpp"
#include "tests/simulation/machine.hpp"

/// Asio reads the time and waits by the system's calls, and so does whatever else asks a standard clock. This
/// program has calls of its own in their place: clock_gettime() tells a machine's time, and the timer that
/// asio's reactor waits for is one that the simulation rings. So the programs' coroutines and timers run as
/// they are, in virtual time. One thread; one io_context at a time.
namespace postern::simulation {

/// For as long as it exists the standard clocks go by this machine's.
class LivesBy {
 public:
  explicit LivesBy(const Machine& machine);
  ~LivesBy();
  LivesBy(const LivesBy&) = delete;
  LivesBy& operator=(const LivesBy&) = delete;
};

/// When the reactor made last wants to look at its timers, by the machine's steady clock.
std::optional<SteadyTime> reactor_timer_due();
void ring_reactor_timer();

}  // namespace postern::simulation
