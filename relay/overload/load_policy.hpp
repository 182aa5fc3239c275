#pragma once
#include <array>
#include <optional>

#include "base/clock.hpp"
#include "relay/overload/load_level.hpp"

namespace postern::relay {

/// What is measured, at one moment.
struct LoadSample {
  Duration store_wait{};    ///< what an event that came now would wait for the store
  Duration loop_wait{};     ///< how far the slowest event loop is behind
  Duration outcome_wait{};  ///< what the oldest outcome of an attempt has waited to be recorded
  unsigned filled = 0;      ///< of the events' queue, in thousandths of its bound
};

/// From measurements to a level. Bursts are what queues are for: as in CoDel (RFC 8289), a wait counts that
/// has stayed above its target for a while, not one that was seen once. A level ends when for longer than
/// that no wait has stayed above half of its target, so that it does not flutter, and a slow commit now and
/// then keeps none on. Refusing events is the fast one: it begins after two looks, and ends as soon as half
/// of the wait is gone; there is work left in the queue then, so the store never stands idle because events
/// are refused.
///
/// What the loops are behind says nothing of the store, and makes no event late that is not late anyway: a
/// request's head is looked at after that wait. How many are taken in one turn of a loop is decided there
/// (OverloadGate), so it is no matter of a level.
///
/// What waits for outcomes can hold back what makes more of them, and never events: those have a way of their
/// own. Pure; one thread.
class LoadPolicy {
 public:
  static constexpr Duration kStayed = std::chrono::milliseconds(200);   ///< above: no burst
  static constexpr Duration kRelieved = std::chrono::seconds(1);        ///< but for bursts, to end
  static constexpr Duration kFewLooks = std::chrono::milliseconds(50);  ///< to begin refusing events

  /// `wait_most`: events are refused when the store would take longer than this. 0: every level is calm.
  explicit LoadPolicy(Duration wait_most) : wait_most_(wait_most) {}

  LoadLevel look(const LoadSample& sample, SteadyTime now);

 private:
  struct Step {
    bool on = false;
    std::optional<SteadyTime> since;  ///< when it began to look as if it should change
    std::optional<SteadyTime> above;  ///< since when it is above where it would end
  };
  static bool holds(Step& step, bool above, bool of_events, SteadyTime now);
  static constexpr std::size_t kSteps = kLoadLevels - 1;

  const Duration wait_most_;
  std::array<Step, kSteps> steps_{};
};

}  // namespace postern::relay
