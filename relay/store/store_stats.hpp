#pragma once
#include <cstddef>
#include <cstdint>

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

/// Since the process started.
struct EventLogStats {
  std::uint64_t events = 0;
  std::uint64_t duplicates = 0;
  std::size_t dedupe_entries = 0;  ///< held in memory (SQLite)
  std::uint64_t dedupe_dropped_early = 0;
  std::uint64_t days_dropped = 0;  ///< tables of a day, past every workspace's retention (PostgreSQL)
};

}  // namespace postern::relay
