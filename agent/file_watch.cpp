#include "agent/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

}  // namespace

std::shared_ptr<FileWatch> FileWatch::start(asio::any_io_executor executor,
                                            std::span<const std::filesystem::path> files,
                                            std::function<void()> changed) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return nullptr;
  auto watch = std::make_shared<FileWatch>(std::move(executor), fd, std::move(changed));
  bool any = false;
  for (const auto& file : files) {
    const auto directory = std::filesystem::absolute(file).parent_path();
    any = ::inotify_add_watch(fd, directory.c_str(), kEvents) >= 0 || any;
    watch->names_.insert(file.filename().string());
  }
  if (!any) return nullptr;
  watch->read();
  return watch;
}

FileWatch::FileWatch(asio::any_io_executor executor, int fd, std::function<void()> changed)
    : stream_(executor, fd), timer_(executor), changed_(std::move(changed)) {}

void FileWatch::read() {
  stream_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](auto ec, std::size_t size) {
    if (ec) return;
    if (self->concerns({self->buffer_.data(), size})) self->arm();
    self->read();
  });
}

/// A directory that is mounted as a whole is changed by a link beside the file, called "..data" or the like.
bool FileWatch::concerns(std::string_view bytes) const {
  while (bytes.size() >= sizeof(inotify_event)) {
    inotify_event event{};
    std::memcpy(&event, bytes.data(), sizeof event);
    const std::string_view name = event.len > 0 ? std::string_view(bytes.data() + sizeof event) : "";
    if (names_.contains(name) || name.starts_with("..")) return true;
    if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
    bytes.remove_prefix(std::min(bytes.size(), sizeof event + event.len));
  }
  return false;
}

void FileWatch::arm() {
  if (std::exchange(armed_, true)) return;
  timer_.expires_after(kGather);
  timer_.async_wait([self = shared_from_this()](auto ec) {
    if (ec) return;
    self->armed_ = false;
    self->changed_();
  });
}

}  // namespace postern::agent
