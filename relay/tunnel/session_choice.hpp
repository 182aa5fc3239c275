#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/clock.hpp"
#include "base/id.hpp"

/// Which of an agent's sessions gets the next delivery. No I/O, no thread.
namespace postern::relay {

/// Where a session stands among those of its agent (SPEC.md, section 8).
struct SessionSeat {
  Uuid instance{};          ///< the agent's process
  std::uint32_t index = 0;  ///< which of its sessions
  bool operator==(const SessionSeat&) const = default;
};

/// How busy one is, as it was last told.
struct SessionLoad {
  std::uint32_t busy = 0;  ///< deliveries on the wire and waiting
  std::uint32_t room = 0;  ///< more that the agent would take now
  Duration round_trip{};   ///< of the last probe; 0: not known yet
};

/// One that has room comes before one that has not; then the shorter wait, by what is before it in the line
/// and the length of the way. The way of an unknown length is taken for a short one.
inline bool is_better(const SessionLoad& a, const SessionLoad& b) {
  if ((a.room > 0) != (b.room > 0)) return a.room > 0;
  constexpr std::int64_t kAppTime = 10'000;  // µs: what an app takes, so that 0.1 ms is not ten times 0.01 ms
  const auto wait = [](const SessionLoad& load) {
    return (std::int64_t{load.busy} + 1) * (load.round_trip.count() + kAppTime);
  };
  return wait(a) < wait(b);
}

/// Two different ones of `count` (at least 2), by a random number in [0, 1).
inline std::pair<std::size_t, std::size_t> two_of(std::size_t count, double random) {
  const auto pairs = count * (count - 1);
  const std::size_t pick = std::min(static_cast<std::size_t>(random * static_cast<double>(pairs)), pairs - 1);
  const std::size_t first = pick / (count - 1);
  const std::size_t second = pick % (count - 1);
  return {first, second < first ? second : second + 1};
}

}  // namespace postern::relay
