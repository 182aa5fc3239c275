#include "relay/store/disk_space.hpp"

#include <sys/statvfs.h>

#include <algorithm>

namespace postern::relay {

std::optional<DiskSpace> disk_space(const std::filesystem::path& directory) {
  struct statvfs info{};
  if (::statvfs(directory.c_str(), &info) != 0) return std::nullopt;
  return DiskSpace{.free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize,
                   .total_bytes = std::uint64_t{info.f_blocks} * info.f_frsize};
}

bool SpaceGate::update(DiskSpace space) {
  free_.store(space.free_bytes, std::memory_order_relaxed);
  const auto share = static_cast<std::uint64_t>(static_cast<double>(space.total_bytes) * mark_.share_of_disk);
  const std::uint64_t mark = std::max(mark_.bytes, share);
  const bool was_open = open();
  const bool now_open = space.free_bytes >= (was_open ? mark : mark + mark / 10);
  open_.store(now_open, std::memory_order_relaxed);
  return now_open != was_open;
}

}  // namespace postern::relay
