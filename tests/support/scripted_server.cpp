#include "tests/support/scripted_server.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace postern::test {

namespace {

constexpr int kPatience = 10'000;  // milliseconds

bool readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, kPatience) == 1;
}

}  // namespace

bool ScriptedServer::Peer::read_more() {
  char chunk[16 * 1024];
  if (!readable(fd_)) return false;
  const auto n = ::recv(fd_, chunk, sizeof chunk, 0);
  if (n > 0) buffer_.append(chunk, static_cast<std::size_t>(n));
  return n > 0;
}

std::string ScriptedServer::Peer::read_until(std::string_view mark) {
  std::size_t at = 0;
  while ((at = buffer_.find(mark)) == std::string::npos) {
    if (!read_more()) return std::exchange(buffer_, {});
  }
  std::string found = buffer_.substr(0, at + mark.size());
  buffer_.erase(0, found.size());
  return found;
}

std::string ScriptedServer::Peer::read_request() {
  std::string request = read_until("\r\n\r\n");
  const auto length = request.find("Content-Length: ");
  const std::size_t size = length == std::string::npos ? 0 : std::stoul(request.substr(length + 16));
  while (buffer_.size() < size && read_more()) {
  }
  request += buffer_.substr(0, size);
  buffer_.erase(0, size);
  return request;
}

bool ScriptedServer::Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void ScriptedServer::Peer::wait_for_end() {
  while (read_more()) buffer_.clear();
}

void ScriptedServer::Peer::reset_on_close() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(listener_, address, size) != 0 || ::listen(listener_, 16) != 0)
    throw std::runtime_error("cannot listen");
  ::getsockname(listener_, address, &size);
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ::shutdown(listener_, SHUT_RDWR);  // wakes accept
    if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
  }
  thread_.join();
  ::close(listener_);
}

bool ScriptedServer::begin(int fd) {
  const std::lock_guard lock(mutex_);
  current_ = fd;
  return !ending_;
}

void ScriptedServer::serve() {
  for (int connection = 0;; ++connection) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    Peer peer(fd);
    if (begin(fd)) script_(peer, connection);
    begin(-1);
    ::close(fd);
  }
}

}  // namespace postern::test
