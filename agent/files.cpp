#include "agent/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace postern::agent {
namespace {

constexpr std::size_t kReadLimit = std::size_t{1024} * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

Result<void> sync_directory(const std::filesystem::path& directory) {
  const Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || ::fsync(fd.get()) != 0) return io_error("sync", directory);
  return {};
}

/// Whoever holds the file has written it, and people are told to kill what it names.
std::string read_pid(int fd) {
  std::string out(64, '\0');
  const ssize_t got = ::pread(fd, out.data(), out.size(), 0);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  out.resize(std::min(out.find('\n'), out.size()));
  const bool digits = std::ranges::all_of(out, [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits && !out.empty() ? out : "unknown";
}

/// Belongs to the open file, not to the process, and asking does not take it (F_OFD_GETLK).
struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// A service's directory belongs to its user, and what root writes there must, too. Only for a file that has
/// just been made: one that was there may be anything that this user put there.
bool give_to_owner(int fd, const std::filesystem::path& path) {
  struct stat directory{};
  if (::geteuid() != 0) return true;
  if (::stat(path.parent_path().c_str(), &directory) != 0) return false;
  return directory.st_uid == 0 || ::fchown(fd, directory.st_uid, directory.st_gid) == 0;
}

Result<void> write_new(const std::filesystem::path& path, std::string_view content, Durable durable) {
  ::unlink(path.c_str());
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.ok()) return io_error("create", path);
  if (!give_to_owner(fd.get(), path)) return io_error("give away", path);
  // The mode given to open() is cut by the umask.
  if (::fchmod(fd.get(), 0600) != 0) return io_error("restrict", path);
  if (!write_all(fd.get(), content)) return io_error("write", path);
  if (durable == Durable::yes && ::fsync(fd.get()) != 0) return io_error("sync", path);
  return {};
}

int open_lock(const std::filesystem::path& path) {
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  const int fresh = ::open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0600);
  if (fresh >= 0) give_to_owner(fresh, path);
  return fresh >= 0 || errno != EEXIST ? fresh : ::open(path.c_str(), kFlags);
}

}  // namespace

std::unexpected<Error> io_error(std::string_view doing, const std::filesystem::path& path) {
  const int number = errno;
  return fail("io_failed", fmt::format("Cannot {} {}: {}.", doing, path.string(), std::strerror(number)));
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t wrote = ::write(fd, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view content, Durable durable) {
  const std::filesystem::path fresh = path.string() + ".new";
  if (auto written = write_new(fresh, content, durable); !written) {
    ::unlink(fresh.c_str());
    return written;
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    auto failed = io_error("replace", path);
    ::unlink(fresh.c_str());
    return failed;
  }
  return durable == Durable::yes ? sync_directory(path.parent_path()) : Result<void>();
}

Result<std::optional<std::string>> read_file(const std::filesystem::path& path) {
  // Somebody else may own the directory, and have put a FIFO there to wait at.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok() && errno == ENOENT) return std::nullopt;
  struct stat file{};
  if (!fd.ok() || ::fstat(fd.get(), &file) != 0) return io_error("open", path);
  if (!S_ISREG(file.st_mode)) return fail("io_failed", fmt::format("{} is no regular file.", path.string()));
  std::string content;
  std::array<char, 4096> chunk;
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", path);
    if (got == 0) return content;
    content.append(chunk.data(), static_cast<std::size_t>(got));
    if (content.size() > kReadLimit)
      return fail("too_large", fmt::format("{} is over 1 MiB.", path.string()));
  }
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path) {
  Descriptor fd(open_lock(path));
  if (!fd.ok()) return io_error("open", path);
  struct flock whole = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return io_error("lock", path);
    return fail("already_running",
                fmt::format("Another postern-agent (process {}) uses {}. Stop it first, or give this one a "
                            "--state-dir of its own.",
                            read_pid(fd.get()), path.parent_path().string()));
  }
  FileLock lock(fd.release());
  if (auto signed_by_us = lock.sign(path); !signed_by_us) return std::unexpected(signed_by_us.error());
  return lock;
}

Result<void> FileLock::sign(const std::filesystem::path& path) const {
  const std::string pid = fmt::format("{}\n", ::getpid());
  // Whoever looks meanwhile finds the old one or the new one, never nothing.
  if (::lseek(fd_, 0, SEEK_SET) != 0 || !write_all(fd_, pid) ||
      ::ftruncate(fd_, static_cast<off_t>(pid.size())) != 0)
    return io_error("write", path);
  return {};
}

std::optional<std::string> FileLock::holder(const std::filesystem::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok()) return std::nullopt;
  struct flock whole = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) return std::nullopt;
  return read_pid(fd.get());
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace postern::agent
