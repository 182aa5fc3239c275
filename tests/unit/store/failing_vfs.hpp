#pragma once
#include <sqlite3.h>

#include <atomic>

namespace postern::relay {

/// SQLite's way to the disk, with a switch that makes it fail. One for the process; registered at first use.
class FailingVfs {
 public:
  static const char* name();
  static inline std::atomic<int> fail_write{0};  ///< the result code of every write, 0 for none
  static inline std::atomic<int> fail_sync{0};
  static inline std::atomic<int> syncs{0};
};

}  // namespace postern::relay
