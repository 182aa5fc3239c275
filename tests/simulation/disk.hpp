#pragma once
#include <string>
#include <vector>

#include "agent/journal_file.hpp"
#include "tests/simulation/scheduler.hpp"

namespace postern::simulation {

enum class Crash { killed, power_lost };

/// A journal's file: what is appended is written a little later, and is safe later still.
class SimulatedDisk {
 public:
  explicit SimulatedDisk(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// What a process writes by. Its thread dies with it.
  std::unique_ptr<agent::JournalDisk> open();
  /// The process is gone: what its thread had not written is lost; without power, what was not synced as
  /// well, but for a torn piece of it.
  void crash(Crash how);
  const std::string& content() const { return written_; }

 private:
  class Writer;
  struct Work {
    std::string bytes;
    bool replaces;
  };
  void append(std::uint64_t process, std::string bytes, bool replaces);
  void write(std::uint64_t process);
  void tear();

  Scheduler& scheduler_;
  std::vector<Work> queue_;
  std::string written_;
  std::size_t synced_ = 0;
  std::uint64_t process_ = 0;
};

}  // namespace postern::simulation
