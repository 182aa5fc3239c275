#include "control/data_dir.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.hpp"

namespace postern::control {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> unusable(const fs::path& path, std::string_view what, int error) {
  return fail("data_dir_unusable", fmt::format("{}: {}: {}.", path.string(), what, std::strerror(error)));
}

/// Closes at the end of its scope.
struct File {
  int fd = -1;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> sync_directory(const fs::path& path) {
  const File directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) return unusable(path, "cannot be synced", errno);
  return {};
}

}  // namespace

Result<std::optional<std::string>> DataDir::read(std::string_view name) const {
  const fs::path file = path_ / name;
  std::error_code ec;
  if (!fs::exists(file, ec)) return std::nullopt;
  auto content = read_file(file);
  if (!content)
    return fail("data_dir_unusable",
                fmt::format("{}: cannot be read: {}.", file.string(), content.error().message));
  return std::move(*content);
}

Result<void> DataDir::write(std::string_view name, std::string_view content) const {
  const fs::path file = path_ / name;
  const fs::path temporary = path_ / (std::string(name) + ".new");
  ::unlink(temporary.c_str());
  const File out{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (out.fd < 0) return unusable(temporary, "cannot be made", errno);
  if (!write_all(out.fd, content) || ::fsync(out.fd) != 0)
    return unusable(temporary, "cannot be written", errno);
  if (::rename(temporary.c_str(), file.c_str()) != 0) return unusable(file, "cannot be put in place", errno);
  return sync_directory(path_);
}

}  // namespace postern::control
