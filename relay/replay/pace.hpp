#pragma once
#include <cstddef>

#include "base/clock.hpp"

/// How fast a replay makes deliveries: each has a time of its own, the replay's rate apart, and only those of
/// the next two seconds are made. What is under way is bounded: a destination that does not keep up, or is
/// away, holds the replay up instead of being buried. Pure.
namespace postern::relay {

struct PaceLimits {
  std::size_t per_step = 100;     ///< deliveries of one transaction
  std::size_t looked_at = 1'000;  ///< of which so many are looked at, matching or not
  std::size_t open = 1'000;       ///< made and not ended yet
  Duration ahead = std::chrono::seconds(2);
};

struct ReplayPace {
  std::size_t allowed = 0;  ///< deliveries that may be made now
  Time first;               ///< when the first of them is due
  Duration apart{};         ///< and each after it
};

/// `paced_until`: when the next one would be due if time had not passed it by.
ReplayPace replay_pace(const PaceLimits& limits, unsigned rate, Time paced_until, std::size_t open, Time now);

/// When it is worth going on, after a step that did all it could.
struct StepEnd {
  bool looked_to_the_end = false;  ///< nothing is left to look at
  bool filled = false;   ///< it made as many as one step may, or looked at as many: there is more at once
  bool held_up = false;  ///< too many are open
};
Time replay_next_step(const PaceLimits& limits, const StepEnd& end, Time paced_until, Time now);

}  // namespace postern::relay
