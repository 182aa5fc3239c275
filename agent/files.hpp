#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// Files of the state directory: small, private, never half written.
namespace postern::agent {

/// Of errno, `io_failed`: "Cannot <doing> <path>: …".
std::unexpected<Error> io_error(std::string_view doing, const std::filesystem::path& path);
/// False with errno when not all of it could be written.
bool write_all(int fd, std::string_view content);

enum class Durable { yes, no };

/// Replaces `path` as a whole, mode 0600: written beside it, and renamed over it, so that a reader or a crash
/// sees the old content or the new. With Durable::yes file and directory are synced before it returns. What
/// root writes belongs to the directory's owner. Error `io_failed`.
Result<void> replace_file(const std::filesystem::path& path, std::string_view content, Durable durable);

/// nullopt when there is no such file. Never waits: what is no regular file is not read. Errors: `io_failed`;
/// `too_large` above 1 MiB.
Result<std::optional<std::string>> read_file(const std::filesystem::path& path);

/// A file that one process holds at a time (an OFD lock); let go by the kernel however the process ends. It
/// belongs to the open file: a process that inherits the descriptor holds it too, until the last one is gone.
class FileLock {
 public:
  /// Error `already_running` names the process that holds it.
  static Result<FileLock> acquire(const std::filesystem::path& path);
  /// The process id of the holder, "unknown" where the file names none; nullopt when nobody holds it. Asking
  /// never takes the lock.
  static std::optional<std::string> holder(const std::filesystem::path& path);

  /// What another process has acquired, and left to this one.
  static FileLock inherited(int descriptor) { return FileLock(descriptor); }
  int descriptor() const { return fd_; }
  /// Writes into it that this process is the holder. Error `io_failed`.
  Result<void> sign(const std::filesystem::path& path) const;

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace postern::agent
