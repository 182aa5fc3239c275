#include "relay/store/node_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace postern::relay {
namespace {

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t size = ::pread(fd, text, sizeof text - 1, 0);
  std::string pid(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "unknown" : pid;
}

/// For people and for the message of the next one; the lock itself is the kernel's.
void write_pid(int fd) {
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) == 0) static_cast<void>(::pwrite(fd, pid.data(), pid.size(), 0));
}

}  // namespace

Result<NodeLock> NodeLock::take(const std::filesystem::path& directory) {
  const auto file = directory / "lock";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail("data_dir_unusable", fmt::format("{}: {}", file.string(), std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    const std::string pid = holder_of(fd);
    ::close(fd);
    if (why != EWOULDBLOCK)
      return fail("data_dir_unusable", fmt::format("{}: {}", file.string(), std::strerror(why)));
    return fail("already_running",
                fmt::format("Another postern (process {}) is running on {}. Stop it, or use "
                            "another data directory.",
                            pid, directory.string()));
  }
  write_pid(fd);
  return NodeLock(fd);
}

NodeLock::NodeLock(NodeLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

NodeLock& NodeLock::operator=(NodeLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

NodeLock::~NodeLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace postern::relay
