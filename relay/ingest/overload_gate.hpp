#pragma once
#include "relay/ingest/source_cache.hpp"
#include "relay/limits/local_limiter.hpp"
#include "relay/overload/shedding.hpp"

namespace postern::relay {

/// Which events are refused because the store is too far behind: first of workspaces that send more than a
/// floor, so that the one that floods the relay is the one that is told to come back; at no_events of all.
/// Asked at the head of a request, before anything is charged or read. Safe from any thread.
class OverloadGate {
 public:
  /// What every workspace may send as long as some are served: the default of a source.
  static constexpr RateLimit kFloor{.per_second = 100, .burst = 200};

  /// `shedding` may be null: nothing is refused.
  explicit OverloadGate(Shedding* shedding) : shedding_(shedding) {}

  /// Counts what it refuses.
  bool refuses(const ReadySource& ready, SteadyTime now) {
    if (shedding_ == nullptr || !shedding_->gives_up(Work::events)) return false;
    const bool some = shedding_->level() == LoadLevel::few_events;
    if (some && floors_.take(ready.workspace_limit.key, kFloor, now).allowed) return false;
    shedding_->count(Work::events);
    return true;
  }

 private:
  Shedding* const shedding_;
  LocalLimiter floors_;
};

}  // namespace postern::relay
