#include "agent/journal_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/files.hpp"
#include "base/log.hpp"

namespace postern::agent {
namespace {

constexpr auto kSyncWithin = std::chrono::milliseconds(5);
constexpr std::int64_t kFileMost =
    std::int64_t{512} * 1024 * 1024;  // far above what a journal lets it become

bool read_all(int fd, std::size_t size, std::string& out) {
  out.resize(size);
  std::size_t got = 0;
  while (got < size) {
    const ssize_t some = ::pread(fd, out.data() + got, size - got, static_cast<off_t>(got));
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) return false;
    got += static_cast<std::size_t>(some);
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<JournalFile>> JournalFile::open(const std::filesystem::path& path,
                                                       std::string& content) {
  std::unique_ptr<JournalFile> file(new JournalFile(path));
  if (!file->reopen()) return io_error("open", path);
  if (file->size_ > kFileMost) return fail("io_failed", fmt::format("{} is too large.", path.string()));
  if (!read_all(file->fd_, static_cast<std::size_t>(file->size_), content)) return io_error("read", path);
  file->thread_ = std::thread([raw = file.get()] { raw->run(); });
  return file;
}

JournalFile::~JournalFile() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (fd_ >= 0) ::close(fd_);
}

bool JournalFile::reopen() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat now{};
  if (fd_ < 0 || ::fchmod(fd_, 0600) != 0 || ::fstat(fd_, &now) != 0) return false;
  size_ = now.st_size;
  return true;
}

void JournalFile::append(std::string bytes) {
  if (bytes.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    next_.appended += bytes;
  }
  wake_.notify_one();
}

void JournalFile::replace(std::string file) {
  {
    const std::lock_guard lock(mutex_);
    next_ = {std::move(file), {}, true};
  }
  wake_.notify_one();
}

bool JournalFile::settle() {
  std::unique_lock lock(mutex_);
  settled_.wait(lock, [this] { return next_.empty() && !writing_; });
  return complete_;
}

void JournalFile::run() {
  std::unique_lock lock(mutex_);
  while (wait(lock)) {
    Work work = std::exchange(next_, {});
    writing_ = true;
    lock.unlock();
    if (!work.empty()) write(std::move(work));
    if (unsynced_ && (Steady::now() >= sync_at_)) sync();
    lock.lock();
    writing_ = false;
    settled_.notify_all();
  }
}

/// False when all is done and nothing more will come.
bool JournalFile::wait(std::unique_lock<std::mutex>& lock) {
  const auto ready = [this] { return stopping_ || !next_.empty(); };
  if (unsynced_) {
    if (stopping_)
      sync_at_ = {};
    else
      wake_.wait_until(lock, sync_at_, ready);
    return true;
  }
  wake_.wait(lock, ready);
  return !stopping_ || !next_.empty();
}

void JournalFile::write(Work work) {
  if (work.replaces) {
    const auto replaced = replace_file(path_, work.file, Durable::yes);
    if (!replaced || !reopen()) return report(false);
    complete_ = true;
  }
  if (work.appended.empty()) return report(true);
  if (fd_ < 0 && !reopen()) return report(false);
  report(write_whole(work.appended));
  if (!std::exchange(unsynced_, true)) sync_at_ = Steady::now() + kSyncWithin;
}

/// All or nothing: half a record would hide those after it.
bool JournalFile::write_whole(std::string_view bytes) {
  if (write_all(fd_, bytes)) {
    size_ += static_cast<std::int64_t>(bytes.size());
    return true;
  }
  const int number = errno;
  struct stat now{};
  if (::ftruncate(fd_, size_) != 0 && ::fstat(fd_, &now) == 0) size_ = now.st_size;
  errno = number;
  return false;
}

void JournalFile::sync() {
  unsynced_ = false;
  if (::fdatasync(fd_) != 0) report(false);
}

void JournalFile::report(bool good) {
  if (!good) complete_ = false;
  if (std::exchange(failing_, !good) == !good) return;
  if (good) return log::info("journal.written_again", {{"file", path_.string()}});
  log::error("journal.not_written",
             {{"file", path_.string()},
              {"error", std::strerror(errno)},
              {"hint",
               "Until it can be written, a delivery whose answer is lost while the agent restarts may "
               "reach its app twice."}});
}

}  // namespace postern::agent
