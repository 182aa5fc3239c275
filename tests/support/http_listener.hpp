#pragma once
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/http/server.hpp"

namespace postern::test {

/// A real HTTP server on a free loopback port with threads of its own, for as long as the object lives.
/// The functions run on those threads.
class HttpListener : http::Handler {
 public:
  using OnHead = std::function<http::HeadDecision(const http::Request&)>;
  using OnRequest = std::function<boost::asio::awaitable<http::Response>(http::Request)>;

  struct Options {
    http::ServerLimits limits;
    std::shared_ptr<boost::asio::ssl::context> tls;
    http::RefusalObserver on_refusal;
    std::function<bool()> is_full;
    std::optional<http::OtherProtocol> other;
    std::size_t loops = 1;
    OnHead on_head;  ///< empty: bodies up to 1 MiB
  };

  HttpListener(OnRequest on_request, Options options);
  /// Answers every request with what `respond` returns.
  static OnRequest answering(std::function<http::Response(const http::Request&)> respond);
  ~HttpListener() override;

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view path = "/") const;
  http::Server& server() { return *server_; }

 private:
  http::HeadDecision on_head(const http::Request& head) override;
  boost::asio::awaitable<http::Response> on_request(http::Request request) override;

  OnRequest on_request_;
  OnHead on_head_;
  bool tls_;
  std::vector<std::unique_ptr<boost::asio::io_context>> loops_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace postern::test
