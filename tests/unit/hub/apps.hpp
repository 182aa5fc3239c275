#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
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

/// Counts its calls, and answers at once, or those after hold() once it is let.
class CountingApp {
 public:
  CountingApp() : listener_([this](http::Request) { return answer(); }, {}) {}
  ~CountingApp() { release(); }
  std::uint16_t port() const { return listener_.port(); }
  void hold(bool held = true) { held_ = held; }
  void release() { hold(false); }
  int calls() const { return calls_; }
  void wait_for_calls(int count) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (calls_ < count && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GE(calls_, count);
  }

 private:
  boost::asio::awaitable<http::Response> answer() {
    ++calls_;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    while (held_) {
      timer.expires_after(std::chrono::milliseconds(2));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    http::Response response;
    response.body = "ok";
    co_return response;
  }
  std::atomic<bool> held_{false};
  std::atomic<int> calls_{0};
  test::HttpListener listener_;
};

/// Carries bytes between one client and a port of this host, until it is cut in two.
class CutProxy {
 public:
  explicit CutProxy(std::uint16_t to)
      : acceptor_(loop_, {boost::asio::ip::address_v4::loopback(), 0}), back_(loop_), front_(loop_) {
    acceptor_.async_accept(front_, [this, to](const auto& ec) {
      acceptor_.close();
      if (ec) return;
      back_.connect({boost::asio::ip::address_v4::loopback(), to});
      carry(front_, back_, to_back_);
      carry(back_, front_, to_front_);
    });
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~CutProxy() {
    loop_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  void cut() {
    boost::asio::post(loop_, [this] {
      front_.close();
      back_.close();
    });
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  using Buffer = std::array<char, 4096>;
  void carry(Socket& from, Socket& to, Buffer& buffer) {
    from.async_read_some(boost::asio::buffer(buffer), [this, &from, &to, &buffer](auto ec, std::size_t size) {
      if (!ec) boost::asio::write(to, boost::asio::buffer(buffer, size), ec);
      if (!ec) carry(from, to, buffer);
    });
  }

  boost::asio::io_context loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  Socket back_;
  Socket front_;
  Buffer to_back_{};
  Buffer to_front_{};
  std::thread thread_;
};

/// A port on which nobody listens.
inline std::uint16_t closed_port() {
  return DeafApp().port();
}

}  // namespace postern::relay
