#pragma once
#include <algorithm>
#include <atomic>
#include <memory>

#include "base/clock.hpp"

namespace postern::relay {

/// A turn of an event loop: from when it is asked something until it comes to that. A loop that is behind
/// takes what is ready in the order in which it became ready, so what it reads has waited for about a turn,
/// and who keeps turns short keeps answers early. Safe from any thread.
class LoopTurn {
 public:
  /// What the loop of this thread is asked is kept there from now on; null: by nobody. A thread runs one
  /// loop.
  static void follow(std::shared_ptr<const LoopTurn> turn);
  /// Of this thread's loop; null when nobody asks it.
  static const LoopTurn* here();

  void begin(SteadyTime now) { asked_.store(now); }
  void forget() { asked_.store(kNone); }
  void end(SteadyTime now) {
    last_.store(now - asked_.load());
    asked_.store(kNone);
    ended_.fetch_add(1);
  }

  bool is_under_way() const { return asked_.load() != kNone; }
  /// How long the present one has lasted; 0 while there is none.
  Duration lasts(SteadyTime now) const {
    const SteadyTime asked = asked_.load(std::memory_order_relaxed);
    return asked < now ? now - asked : Duration{};
  }
  /// How many have ended.
  std::uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }
  Duration last() const { return last_.load(std::memory_order_relaxed); }
  /// Of the present one or the last, whichever is longer.
  Duration longest(SteadyTime now) const { return std::max(lasts(now), last()); }

 private:
  static constexpr SteadyTime kNone = SteadyTime::max();

  std::atomic<SteadyTime> asked_{kNone};
  std::atomic<Duration> last_{Duration{}};
  std::atomic<std::uint64_t> ended_{0};
};

}  // namespace postern::relay
