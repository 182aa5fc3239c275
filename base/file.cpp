#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace postern {
namespace {

Result<std::string> read_all(int fd) {
  std::string content;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return content;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("unreadable", std::strerror(errno));
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > kFileMost) return fail("unreadable", "File too large");
  }
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("unreadable", std::strerror(errno));
  auto content = read_all(fd);
  ::close(fd);
  return content;
}

}  // namespace postern
