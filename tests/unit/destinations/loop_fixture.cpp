#include "tests/unit/destinations/loop_fixture.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::relay {

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<http::Response> RecordingHandler::on_request(http::Request request) {
  http::Response response = answer ? answer(request) : http::Response{};
  requests.push_back(std::move(request));
  if (delay > Duration::zero()) {
    asio::steady_timer timer(co_await asio::this_coro::executor, delay);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return response;
}

TestServer::TestServer(asio::io_context& loop, const std::string& address, std::uint16_t port)
    : loop_(loop), address_(address) {
  asio::io_context* loops[] = {&loop};
  http::ServerOptions options;
  options.listen = tcp::endpoint(asio::ip::make_address(address), port);
  server_.emplace(loops, handler, options);
  const auto bound = server_->start();
  if (!bound) throw std::runtime_error(bound.error().message);
  port_ = bound->port();
}

TestServer::~TestServer() {
  server_->stop();
  loop_.restart();
  loop_.poll();
}

std::string TestServer::url(std::string_view path) const {
  return "http://" + address_ + ":" + std::to_string(port_) + std::string(path);
}

Canary::Canary(asio::io_context& loop, const std::string& address, std::uint16_t port)
    : acceptor_(loop, tcp::endpoint(asio::ip::make_address(address), port)) {
  accept();
}

void Canary::accept() {
  acceptor_.async_accept([this](boost::system::error_code error, tcp::socket) {
    if (error) return;
    ++connections_;
    accept();
  });
}

}  // namespace postern::relay
