#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace postern::relay {

/// SQLite on a full disk can neither delete nor checkpoint: so ingest stops while there is still room for
/// those.
struct LowWater {
  std::uint64_t bytes = 256ULL << 20;
  double share_of_disk = 0.05;  ///< the mark is the larger of the two
};

struct DiskSpace {
  std::uint64_t free_bytes = 0;  ///< for unprivileged users
  std::uint64_t total_bytes = 0;
};
/// nullopt when the file system does not answer.
std::optional<DiskSpace> disk_space(const std::filesystem::path& directory);

/// Whether there is room to take in more. Policy only; update() on one thread, ask from any.
class SpaceGate {
 public:
  explicit SpaceGate(LowWater mark) : mark_(mark) {}
  /// Closes below the mark and opens a tenth above it, so that it does not flutter. True when it changed.
  bool update(DiskSpace space);
  bool open() const { return open_.load(std::memory_order_relaxed); }
  std::uint64_t free_bytes() const { return free_.load(std::memory_order_relaxed); }

 private:
  LowWater mark_;
  std::atomic<bool> open_{true};
  std::atomic<std::uint64_t> free_{0};
};

}  // namespace postern::relay
