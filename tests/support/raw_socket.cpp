#include "tests/support/raw_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>

namespace postern::test {

RawSocket::RawSocket(std::uint16_t port, std::chrono::milliseconds patience)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{patience.count() / 1000, patience.count() % 1000 * 1000};
  const int yes = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    ::close(fd_);
    throw std::runtime_error("cannot connect");
  }
}

RawSocket::~RawSocket() {
  ::close(fd_);
}

bool RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void RawSocket::finish_sending() {
  ::shutdown(fd_, SHUT_WR);
}

bool RawSocket::read_more() {
  char chunk[16 * 1024];
  const auto n = ::recv(fd_, chunk, sizeof chunk, 0);
  if (n > 0) buffer_.append(chunk, static_cast<std::size_t>(n));
  return n > 0;
}

RawSocket::Answer RawSocket::read_answer() {
  Answer answer;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return answer;
  }
  answer.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  answer.status = std::stoi(answer.head.substr(9, 3));
  answer.closes = answer.head.find("\r\nConnection: close\r\n") != std::string::npos;
  const auto length = answer.head.find("\r\nContent-Length: ");
  const std::size_t size = length == std::string::npos ? 0 : std::stoul(answer.head.substr(length + 18));
  while (buffer_.size() < size && read_more()) {
  }
  answer.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return answer;
}

std::string RawSocket::read_to_end() {
  while (read_more()) {
  }
  return std::move(buffer_);
}

bool RawSocket::ended() {
  char byte;
  const auto n = buffer_.empty() ? ::recv(fd_, &byte, 1, 0) : 1;
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

}  // namespace postern::test
