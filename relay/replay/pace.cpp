#include "relay/replay/pace.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(500);  // for what is open to end

}  // namespace

ReplayPace replay_pace(const PaceLimits& limits, unsigned rate, Time paced_until, std::size_t open,
                       Time now) {
  const Duration apart{1'000'000 / std::max<std::int64_t>(1, rate)};
  const Time first = std::max(paced_until, now);
  const Time horizon = now + limits.ahead;
  const std::size_t room = open < limits.open ? limits.open - open : 0;
  if (first >= horizon) return {0, first, apart};
  const auto slots = static_cast<std::size_t>((horizon - first + apart - Duration(1)) / apart);
  return {std::min({slots, room, limits.per_step}), first, apart};
}

Time replay_next_step(const PaceLimits& limits, const StepEnd& end, Time paced_until, Time now) {
  if (end.looked_to_the_end || end.held_up) return now + kLookAgain;
  if (end.filled) return now;
  return std::max(now, paced_until - limits.ahead / 2);
}

}  // namespace postern::relay
