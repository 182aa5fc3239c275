#pragma once
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <vector>

#include "base/http/server.hpp"

/// One loop on the test's own thread, a server that answers as it is told, and a listener nobody may connect
/// to.
namespace postern::relay {

/// Runs `task` on `loop` until it has ended; rethrows what it throws.
template <class T>
T run_on(boost::asio::io_context& loop, boost::asio::awaitable<T> task) {
  std::optional<T> out;
  std::exception_ptr fault;
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
    if (error)
      fault = error;
    else
      out = std::move(value);
  });
  loop.restart();
  while (!out && !fault && loop.run_one_for(std::chrono::seconds(20)) > 0) {
  }
  if (fault) std::rethrow_exception(fault);
  if (!out) throw std::runtime_error("the task did not end in time");
  return std::move(*out);
}

/// Answers what `answer` says, after `delay`; keeps every request.
class RecordingHandler final : public http::Handler {
 public:
  http::HeadDecision on_head(const http::Request&) override { return http::ReadBody{16 * 1024 * 1024}; }
  boost::asio::awaitable<http::Response> on_request(http::Request request) override;

  std::function<http::Response(const http::Request&)> answer;
  Duration delay{};
  std::vector<http::Request> requests;
};

/// A server on `address` (port 0: any), on the loop of the test.
class TestServer {
 public:
  TestServer(boost::asio::io_context& loop, const std::string& address, std::uint16_t port = 0);
  ~TestServer();
  std::uint16_t port() const { return port_; }
  std::string url(std::string_view path = "/") const;

  RecordingHandler handler;

 private:
  boost::asio::io_context& loop_;
  std::string address_;
  std::optional<http::Server> server_;
  std::uint16_t port_ = 0;
};

/// Counts connections; there should be none.
class Canary {
 public:
  Canary(boost::asio::io_context& loop, const std::string& address, std::uint16_t port = 0);
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }

 private:
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  int connections_ = 0;
};

}  // namespace postern::relay
