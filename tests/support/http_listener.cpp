#include "tests/support/http_listener.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace postern::test {

namespace asio = boost::asio;

HttpListener::HttpListener(OnRequest on_request, Options options)
    : on_request_(std::move(on_request)), on_head_(std::move(options.on_head)), tls_(options.tls != nullptr) {
  std::vector<asio::io_context*> loops;
  for (std::size_t i = 0; i < options.loops; ++i) {
    loops.push_back(loops_.emplace_back(std::make_unique<asio::io_context>(1)).get());
  }
  http::ServerOptions server;
  server.listen = {asio::ip::make_address("127.0.0.1"), 0};
  server.limits = options.limits;
  server.tls = std::move(options.tls);
  server.on_refusal = std::move(options.on_refusal);
  server.is_full = std::move(options.is_full);
  server.other = std::move(options.other);
  http::Handler& handler = *this;
  server_ = std::make_unique<http::Server>(loops, handler, std::move(server));
  const auto bound = server_->start();
  if (!bound) throw std::runtime_error(bound.error().message);
  port_ = bound->port();
  for (asio::io_context* loop : loops) {
    threads_.emplace_back([loop] {
      const auto work = asio::make_work_guard(*loop);
      loop->run();
    });
  }
}

HttpListener::OnRequest HttpListener::answering(std::function<http::Response(const http::Request&)> respond) {
  return [respond = std::move(respond)](http::Request request) -> asio::awaitable<http::Response> {
    co_return respond(request);
  };
}

HttpListener::~HttpListener() {
  for (auto& loop : loops_) loop->stop();
  for (auto& thread : threads_) thread.join();
  server_.reset();
}

std::string HttpListener::url(std::string_view path) const {
  return fmt::format("{}://127.0.0.1:{}{}", tls_ ? "https" : "http", port_, path);
}

http::HeadDecision HttpListener::on_head(const http::Request& head) {
  if (on_head_) return on_head_(head);
  return http::ReadBody{1 << 20};
}

asio::awaitable<http::Response> HttpListener::on_request(http::Request request) {
  return on_request_(std::move(request));
}

}  // namespace postern::test
