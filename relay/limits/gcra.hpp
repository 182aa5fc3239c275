#pragma once
#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace postern::relay {

/// One in every `interval`, and `burst` of them at once from rest. An interval of 0: no limit.
struct Pace {
  Duration interval{};
  std::uint32_t burst = 1;

  bool unlimited() const { return interval.count() == 0; }
  Duration tolerance() const { return interval * burst; }
  bool operator==(const Pace&) const = default;
};

/// How much per second, and how much of it at once. `per_second` 0: no limit.
struct RateLimit {
  std::uint32_t per_second = 0;
  std::uint32_t burst = 0;  ///< at once, from rest; 0: as much as a second brings

  bool unlimited() const { return per_second == 0; }
  std::uint32_t burst_or_default() const { return burst == 0 ? per_second : burst; }
  Pace pace() const;
  bool operator==(const RateLimit&) const = default;
};

/// The generic cell rate algorithm (ITU-T I.371): the whole state of a limit is one time, the theoretical
/// arrival time of the next request of an evenly paced sender. A request is let through while that time lies
/// no further ahead than the burst allows. Pure, in whole microseconds; one thread.
class Gcra {
 public:
  struct Verdict {
    bool allowed = true;
    Duration retry_after{};       ///< when refused: from now until the same request would be let through
    std::uint32_t remaining = 0;  ///< how many more would be let through right now
    Duration reset_after{};       ///< from now until the full burst is there again
  };

  /// A refused request changes nothing. A `now` before that of an earlier call is taken as it is: the state
  /// is the time of the latest request let through, so a clock that steps back only makes the limit stricter.
  Verdict take(const RateLimit& limit, SteadyTime now) { return take(limit.pace(), now); }
  Verdict take(const Pace& pace, SteadyTime now);
  /// Takes `times`, if there is one: the others are owed, so nothing is let through until they are paid.
  Verdict take(const Pace& pace, SteadyTime now, std::uint32_t times);
  /// What take() would say, without taking.
  Verdict look(const RateLimit& limit, SteadyTime now) const { return look(limit.pace(), now); }
  Verdict look(const Pace& pace, SteadyTime now) const;
  /// Undoes one take() that said yes.
  void give_back(const Pace& pace) { arrival_ -= pace.interval; }
  /// Makes it at least as strict as `arrival` says; never more lenient.
  void raise(SteadyTime arrival) { arrival_ = std::max(arrival_, arrival); }

  /// Makes it no stricter than `arrival` says.
  void lower(SteadyTime arrival) { arrival_ = std::min(arrival_, arrival); }

  SteadyTime arrival() const { return arrival_; }

 private:
  SteadyTime arrival_{};  ///< the theoretical arrival time
};

}  // namespace postern::relay
