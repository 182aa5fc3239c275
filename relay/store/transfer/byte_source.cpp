#include "relay/store/transfer/byte_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace postern::relay::transfer {

Result<FileSource> FileSource::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("transfer_unreadable", fmt::format("{}: {}.", file.string(), std::strerror(errno)));
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail("transfer_unreadable",
                fmt::format("{} is no plain file; it is read twice, so it cannot be a pipe.", file.string()));
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return FileSource(fd, static_cast<std::uint64_t>(info.st_size));
}

FileSource::FileSource(FileSource&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

FileSource::~FileSource() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> FileSource::read(char* into, std::size_t size) {
  while (true) {
    const ssize_t count = ::read(fd_, into, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR)
      return fail("transfer_unreadable", fmt::format("The file cannot be read: {}.", std::strerror(errno)));
  }
}

}  // namespace postern::relay::transfer
