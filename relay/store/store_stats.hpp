#pragma once
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"

namespace postern::relay {

/// For metrics; each number by itself is exact, together they are a moment apart.
struct StoreStats {
  std::size_t queue_depth = 0;
  std::uint64_t commits = 0;
  std::uint64_t tasks = 0;
  std::uint64_t commit_micros = 0;  ///< spent in COMMIT, that is mostly in the sync
  bool ingest_allowed = true;
  bool failed = false;
  // Of SQLite only.
  std::uint64_t checkpoints = 0;
  std::uint64_t checkpoint_micros = 0;
  int log_pages = 0;
  std::uint64_t disk_free_bytes = 0;
};

/// How the event log keeps up, for those who look many times a second.
struct StorePressure {
  std::size_t appends_waiting = 0;
  unsigned filled = 0;              ///< of the queue's bounds, in thousandths: number or bytes, the fuller
  Duration oldest_append{};         ///< what has waited longest and is not durable yet; on SQLite any write
  std::uint64_t appends_taken = 0;  ///< since the start, by writers
  Duration busy{};                  ///< since the start, while any writer was at work
  Duration oldest_outcome{};        ///< where outcomes have a queue of their own
};

/// Since the process started.
struct EventLogStats {
  std::uint64_t events = 0;
  std::uint64_t duplicates = 0;
  std::size_t dedupe_entries = 0;  ///< held in memory (SQLite)
  std::uint64_t dedupe_dropped_early = 0;
  std::uint64_t days_dropped = 0;  ///< tables of a day, past every workspace's retention (PostgreSQL)
};

}  // namespace postern::relay
