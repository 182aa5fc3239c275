#pragma once
#include <filesystem>

#include "base/error.hpp"

namespace postern::relay {

/// One process at a time on a data directory. The kernel gives the lock back when the process ends, however
/// it ends; the file stays.
class NodeLock {
 public:
  /// Error `already_running` names the process that has it; `data_dir_unusable` when the file cannot be made.
  static Result<NodeLock> take(const std::filesystem::path& directory);

  NodeLock(NodeLock&& other) noexcept;
  NodeLock& operator=(NodeLock&& other) noexcept;
  ~NodeLock();

 private:
  explicit NodeLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace postern::relay
