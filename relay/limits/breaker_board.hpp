#pragma once
#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/id.hpp"

namespace postern::relay {

/// A breaker's state as its owner wrote it, and which of two is newer: the higher version, and of one version
/// whichever blob is greater, so that all nodes choose the same.
struct SharedBreakerState {
  std::uint64_t version = 0;  ///< about the microseconds of the Unix epoch: see next_breaker_version()
  std::string blob;           ///< at most kBreakerBlobMost
  auto operator<=>(const SharedBreakerState&) const = default;
};
inline constexpr std::size_t kBreakerBlobMost = 1024;

/// The version of what comes after `seen`: the time, or one more than what was seen, whichever is higher. So
/// a change is newer than all its maker knew of, and of two made apart the later one wins.
inline std::uint64_t next_breaker_version(std::uint64_t seen, Time now) {
  return std::max(seen + 1, static_cast<std::uint64_t>(to_micros(now)));
}

/// Where nodes tell each other how their breakers stand. Safe from any thread; no call waits for anybody.
class BreakerBoard {
 public:
  using Heard = std::function<void(DestinationId)>;
  virtual ~BreakerBoard() = default;

  /// Tells the others, soon; for `lifetime` those that come later find it, too.
  virtual void publish(DestinationId destination, SharedBreakerState state, Duration lifetime) = 0;
  /// The newest that was said or heard here.
  virtual std::optional<SharedBreakerState> known(DestinationId destination) const = 0;
  /// `listener` hears that known() has something new that another node said, on a thread of the board: post,
  /// don't work. Before the board starts.
  virtual void on_heard(Heard listener) = 0;
};

}  // namespace postern::relay
