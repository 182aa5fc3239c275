#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "tests/support/http_listener.hpp"

namespace postern::relay {

/// Takes connections (the kernel does) and never reads a byte from them.
class DeafApp {
 public:
  DeafApp() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int small = 4096;  // what the kernel takes on the app's behalf
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 512) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("listen");
    }
    port_ = ntohs(address.sin_port);
  }
  ~DeafApp() { ::close(fd_); }
  DeafApp(const DeafApp&) = delete;
  DeafApp& operator=(const DeafApp&) = delete;

  std::uint16_t port() const { return port_; }
  /// Waits until somebody has connected and sent something, without taking it.
  void wait_for_bytes() {
    const int peer = ::accept(fd_, nullptr, nullptr);
    char byte = 0;
    if (peer < 0 || ::recv(peer, &byte, 1, MSG_PEEK) != 1) throw std::runtime_error("nobody came");
    peers_.push_back(peer);
  }
  void close_peers() {
    for (const int peer : peers_) ::close(peer);
    peers_.clear();
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::vector<int> peers_;
};

/// A port on which nobody listens.
inline std::uint16_t closed_port() {
  return DeafApp().port();
}

}  // namespace postern::relay
