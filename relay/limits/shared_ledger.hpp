#pragma once
#include <cstdint>

#include "relay/limits/limiter_table.hpp"

/// How nodes keep a limit together, as pure steps on a state: redis_limiter.hpp does the talking.
///
/// Each node decides by itself, at once, with the whole limit. Every few milliseconds it tells what it has
/// let through since; the sum of all nodes moves one common theoretical arrival time, and the answer is how
/// far ahead that is now. The node raises its own to it. So what nodes let through without knowing of each
/// other is a debt, which all of them wait out before they let anything else through.
namespace postern::relay {

/// What one node tells of one key.
struct LedgerEntry {
  std::int32_t taken = 0;  ///< may be negative: more was given back than taken
  Pace pace;
  Duration age{};        ///< of the first of them
  SteadyTime told_at{};  ///< the node's own time
};

/// The common time is never further ahead than this many bursts: what lies beyond is forgiven, so that a
/// clock of Redis that is set back, or a value that is not ours, costs a bounded time.
inline constexpr int kLedgerBurstsMost = 8;

/// After the state let one through (1), or took one back (-1).
inline void ledger_note(LimiterTable::Entry& state, std::int32_t taken, SteadyTime now) {
  if (state.untold == 0) state.untold_since = now;
  state.untold += taken;
}

/// What is to be told now. The state is marked as telling until ledger_heard() or ledger_unheard().
inline LedgerEntry ledger_tell(LimiterTable::Entry& state, SteadyTime now) {
  const LedgerEntry entry{
      state.untold, state.pace,
      std::max(Duration(), std::chrono::duration_cast<Duration>(now - state.untold_since)), now};
  state.untold = 0;
  state.telling = true;
  return entry;
}

/// `ahead`: how far the common time lay ahead once `entry` was added. What was let through meanwhile is on
/// top of it.
inline void ledger_heard(LimiterTable::Entry& state, const LedgerEntry& entry, Duration ahead) {
  state.telling = false;
  if (state.pace != entry.pace) return;
  state.gcra.raise(entry.told_at + ahead + entry.pace.interval * state.untold);
}

/// There is no answer, and the entry may have been added or not. It is not told again: the node was as strict
/// as it is alone.
inline void ledger_unheard(LimiterTable::Entry& state) {
  state.telling = false;
}

}  // namespace postern::relay
