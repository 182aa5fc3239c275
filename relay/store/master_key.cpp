#include "relay/store/master_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace postern::relay {
namespace {

constexpr std::size_t kSize = 32;

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> unusable(const std::filesystem::path& path) {
  return fail("data_dir_unusable", fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

/// Written beside and renamed, so that a crash never leaves half a key.
Result<std::string> make(const std::filesystem::path& path, Random& random) {
  const auto fresh = std::filesystem::path(path).concat(".new");
  std::string key = random.bytes(kSize);
  {
    const File file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
    if (file.fd() < 0) return unusable(fresh);
    if (::write(file.fd(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
        ::fsync(file.fd()) != 0) {
      return unusable(fresh);
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return unusable(path);
  const File directory(path.parent_path(), O_RDONLY | O_DIRECTORY);
  if (directory.fd() < 0 || ::fsync(directory.fd()) != 0) return unusable(path.parent_path());
  return key;
}

Result<std::string> read(const File& file, const std::filesystem::path& path) {
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) return unusable(path);
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return fail("master_key_unsafe",
                fmt::format("{} must be a plain file of the user that runs postern, with mode "
                            "0600: others may have read the key. chmod 600 it if you are sure "
                            "that nobody did.",
                            path.string()));
  }
  std::string key(kSize + 1, '\0');
  const ssize_t size = ::read(file.fd(), key.data(), key.size());
  if (size != static_cast<ssize_t>(kSize)) {
    return fail("master_key_unsafe", fmt::format("{} must hold exactly {} bytes.", path.string(), kSize));
  }
  key.resize(kSize);
  return key;
}

}  // namespace

Result<std::string> master_key(const std::filesystem::path& path, bool must_exist, Random& random) {
  const File file(path, O_RDONLY);
  if (file.fd() >= 0) return read(file, path);
  if (errno != ENOENT) return unusable(path);
  if (must_exist) {
    return fail("master_key_missing",
                fmt::format("{} is gone, and the database was sealed with it. Put it back from "
                            "the backup.",
                            path.string()));
  }
  return make(path, random);
}

Result<void> private_directory(const std::filesystem::path& directory) {
  std::error_code ignored;
  const auto parent = std::filesystem::absolute(directory).lexically_normal().parent_path();
  std::filesystem::create_directories(parent, ignored);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return unusable(directory);
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return unusable(directory);
  if (!S_ISDIR(info.st_mode)) {
    return fail("data_dir_unusable", fmt::format("{} is no directory.", directory.string()));
  }
  if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return fail("data_dir_unusable",
                fmt::format("{} must belong to the user that runs postern and be closed to all "
                            "others: chmod 700 it.",
                            directory.string()));
  }
  return {};
}

}  // namespace postern::relay
