#pragma once
#include "relay/ingest/source_cache.hpp"
#include "relay/limits/local_limiter.hpp"
#include "relay/overload/loop_turn.hpp"
#include "relay/overload/shedding.hpp"

namespace postern::relay {

/// Which events are refused because the store is too far behind: first of workspaces that send more than a
/// floor, so that the one that floods the relay is the one that is told to come back; at no_events of all.
///
/// And which because the loop is: it takes events for so long in one turn, and refuses the rest of those that
/// are ready, which costs far less. So a turn ends soon, however many are ready, and in each some are taken,
/// however many are refused: all that are ready have waited as long, so there is no use in refusing those of
/// the next turn for it.
///
/// The floor is charged when the signature has been found right, by what there is to store: at the head
/// nobody has proved who they are, and who forges must not use up what honest senders have. So the head is
/// refused while nothing of the floor is left, and of what has been read the rest. Safe from any
/// thread, but for turns_away().
class OverloadGate {
 public:
  /// What every workspace may send as long as some are served, in turns: the default of a source.
  static constexpr RateLimit kFloor{.per_second = 100, .burst = 200};
  /// An event costs one turn, and one more for each of these of its body.
  static constexpr std::size_t kTurnBytes = 16 * 1024;
  /// Ten seconds of the floor. Who has a turn left may send a large one, and owes the others.
  static constexpr std::size_t kTurnsMost = 1'000;
  /// New connections in one turn of a loop that is nearly late.
  static constexpr unsigned kTakenInMost = 32;

  /// `shedding` may be null: nothing is refused. `turn_most` 0: a turn may last.
  explicit OverloadGate(Shedding* shedding, Duration turn_most = {})
      : shedding_(shedding), turn_most_(turn_most) {}

  /// At the head of a request, before anything is charged or read, on its loop. Counts what it refuses.
  bool refuses(const ReadySource& ready, SteadyTime now) {
    if (!gives_up() && !is_late(now)) return false;
    const bool some = shedding_->level() < LoadLevel::no_events;
    if (some && floors_.look(ready.workspace_limit.key, kFloor, now).allowed) return false;
    shedding_->count(Work::events);
    return true;
  }
  /// A whole one, to be stored: charges it. What was read before no event was taken any more has its floor,
  /// and what was read before the turn had lasted too long is stored.
  bool refuses_to_store(const ReadySource& ready, std::size_t body_bytes, SteadyTime now) {
    if (!gives_up() && !is_late(now)) return false;
    const auto turns = std::min(1 + body_bytes / kTurnBytes, kTurnsMost);
    if (floors_.take(ready.workspace_limit.key, kFloor, now, static_cast<std::uint32_t>(turns)).allowed)
      return false;
    if (!gives_up()) return false;
    shedding_->count(Work::events);
    return true;
  }

  /// Whether this loop's turn has lasted too long. Then there are more connections than it can serve, so what
  /// is refused is closed as well: many that are all ready cost the more for each, as nothing of them is in a
  /// cache.
  bool is_late(SteadyTime now) const {
    const LoopTurn* const turn = may_be_late() ? LoopTurn::here() : nullptr;
    return turn != nullptr && turn->lasts(now) > turn_most_;
  }
  /// Whether who connects is closed at once: all while a turn is too long, all but a few a turn while it is
  /// half as long. With all that wait taken in when a turn was short, the next would be far too long, and
  /// most of them would be refused, which costs more. On the loop that accepts, and only there; false takes
  /// one in.
  bool turns_away(SteadyTime now) {
    const LoopTurn* const turn = may_be_late() ? LoopTurn::here() : nullptr;
    if (turn == nullptr || turn->longest(now) <= turn_most_ / 2) return false;
    if (turn->longest(now) > turn_most_) return true;
    if (std::exchange(turn_, turn->ended()) != turn->ended()) taken_in_ = 0;
    return ++taken_in_ > kTakenInMost;
  }

 private:
  bool gives_up() const { return shedding_ != nullptr && shedding_->gives_up(Work::events); }
  /// Not while retries still go on: those are given up before, and a loop that stood still once is no load.
  bool may_be_late() const {
    return shedding_ != nullptr && turn_most_ > Duration::zero() && shedding_->gives_up(Work::retries);
  }

  Shedding* const shedding_;
  const Duration turn_most_;
  std::uint64_t turn_ = 0;  ///< in which so many were taken in
  unsigned taken_in_ = 0;
  LocalLimiter floors_;
};

}  // namespace postern::relay
