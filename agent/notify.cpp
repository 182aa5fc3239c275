#include "agent/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace postern::agent {
namespace {

constexpr Duration kPatience = std::chrono::seconds(1);

}  // namespace

ServiceManager::ServiceManager(const char* socket) {
  const std::string_view name = socket ? socket : "";
  const bool usable = name.starts_with('/') || name.starts_with('@');
  if (usable && name.size() < sizeof(sockaddr_un::sun_path)) socket_ = name;
}

void ServiceManager::ready() {
  tell("READY=1");
}

/// The time is what Type=notify-reload asks for: the manager must not take an older READY=1 for the answer.
void ServiceManager::reloading(SteadyTime now) {
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.time_since_epoch().count()));
}

void ServiceManager::stopping() {
  tell("STOPPING=1");
}

void ServiceManager::succeeded_by(pid_t process) {
  tell(fmt::format("MAINPID={}", process), kPatience);
}

void ServiceManager::alive() {
  tell("WATCHDOG=1");
}

void ServiceManager::status(std::string_view text) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  if (std::exchange(status_, line) == line) return;
  tell("STATUS=" + status_);
}

void ServiceManager::tell(const std::string& words, Duration patience) const {
  if (socket_.empty()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const bool waits = patience > Duration(0);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
  if (fd < 0) return;
  const timeval most{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0};
  if (waits) ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  ::sendto(fd, words.data(), words.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

}  // namespace postern::agent
