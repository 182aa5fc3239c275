#pragma once
#include "relay/ingest/source_cache.hpp"
#include "relay/limits/local_limiter.hpp"
#include "relay/overload/shedding.hpp"

namespace postern::relay {

/// Which events are refused because the store is too far behind: first of workspaces that send more than a
/// floor, so that the one that floods the relay is the one that is told to come back; at no_events of all.
///
/// The floor is charged when the signature has been found right, by what there is to store: at the head
/// nobody has proved who they are, and who forges must not use up what honest senders have. So the head is
/// refused while nothing of the floor is left, and of what has been read the rest. Safe from any thread.
class OverloadGate {
 public:
  /// What every workspace may send as long as some are served, in turns: the default of a source.
  static constexpr RateLimit kFloor{.per_second = 100, .burst = 200};
  /// An event costs one turn, and one more for each of these of its body.
  static constexpr std::size_t kTurnBytes = 16 * 1024;
  /// Ten seconds of the floor. Who has a turn left may send a large one, and owes the others.
  static constexpr std::size_t kTurnsMost = 1'000;

  /// `shedding` may be null: nothing is refused.
  explicit OverloadGate(Shedding* shedding) : shedding_(shedding) {}

  /// At the head of a request, before anything is charged or read. Counts what it refuses.
  bool refuses(const ReadySource& ready, SteadyTime now) {
    if (!gives_up()) return false;
    const bool some = shedding_->level() == LoadLevel::few_events;
    if (some && floors_.look(ready.workspace_limit.key, kFloor, now).allowed) return false;
    shedding_->count(Work::events);
    return true;
  }
  /// A whole one, to be stored: charges it. What was read before no event was taken any more has its floor.
  bool refuses_to_store(const ReadySource& ready, std::size_t body_bytes, SteadyTime now) {
    if (!gives_up()) return false;
    const auto turns = std::min(1 + body_bytes / kTurnBytes, kTurnsMost);
    if (floors_.take(ready.workspace_limit.key, kFloor, now, static_cast<std::uint32_t>(turns)).allowed)
      return false;
    shedding_->count(Work::events);
    return true;
  }

 private:
  bool gives_up() const { return shedding_ != nullptr && shedding_->gives_up(Work::events); }

  Shedding* const shedding_;
  LocalLimiter floors_;
};

}  // namespace postern::relay
