#include "agent/dial_relay.hpp"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>

#include "agent/proxy_answer.hpp"
#include "base/with_timeout.hpp"

namespace postern::agent {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr Duration kAnswerTime = std::chrono::seconds(10);

std::string request_for(const HostPort& relay, const Proxy& proxy) {
  std::string out = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", relay.to_string());
  if (!proxy.authorization.empty()) out += "Proxy-Authorization: " + proxy.authorization + "\r\n";
  return out + "\r\n";
}

Result<void> closed(const HostPort& proxy) {
  return fail("proxy_closed",
              fmt::format("The proxy {} hung up without an answer. Check that it is an HTTP proxy that takes "
                          "CONNECT.",
                          proxy.to_string()));
}

Result<void> bad_answer(const HostPort& proxy) {
  return fail("proxy_bad_answer",
              fmt::format("{} does not answer as an HTTP proxy does. Check its host and port in the "
                          "proxy's URL.",
                          proxy.to_string()));
}

Result<void> judge(const ProxyAnswer& answer, const HostPort& relay, const Proxy& proxy) {
  if (answer.accepted()) return {};
  const std::string at = proxy.at.to_string();
  if (answer.status() == 407 && proxy.authorization.empty()) {
    return fail("proxy_auth_required",
                fmt::format("The proxy {} wants a user: say http://USER:PASSWORD@{} as the proxy.", at, at));
  }
  if (answer.status() == 407) {
    return fail("proxy_auth_required", fmt::format("The proxy {} does not accept the user or the password in "
                                                   "its URL (of all schemes, only basic is spoken here).",
                                                   at));
  }
  return fail(
      "proxy_refused",
      fmt::format("The proxy {} does not connect to {}: {} {}. Have it allow CONNECT to this host and "
                  "port, or except the relay with NO_PROXY.",
                  at, relay.to_string(), answer.status(), answer.words()));
}

/// Takes exactly the head out of the socket: looks first, so that what follows stays where TLS will read it.
asio::awaitable<Result<void>> read_answer(tcp::socket& socket, ProxyAnswer& answer, const HostPort& proxy) {
  std::array<char, 2048> bytes;
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (answer.progress() == http::Progress::more) {
    auto [ec] = co_await socket.async_wait(tcp::socket::wait_read, token);
    if (ec) co_return closed(proxy);
    const auto seen = ::recv(socket.native_handle(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (seen <= 0) co_return closed(proxy);
    const auto used = answer.feed({bytes.data(), static_cast<std::size_t>(seen)});
    if (::recv(socket.native_handle(), bytes.data(), used, MSG_DONTWAIT) != static_cast<ssize_t>(used))
      co_return closed(proxy);
  }
  if (answer.progress() == http::Progress::refused) co_return bad_answer(proxy);
  co_return Result<void>();
}

asio::awaitable<Result<void>> ask(tcp::socket& socket, HostPort relay, const Proxy& proxy) {
  const std::string request = request_for(relay, proxy);
  const auto token = asio::as_tuple(asio::use_awaitable);
  auto [ec, size] = co_await asio::async_write(socket, asio::buffer(request), token);
  if (ec) co_return closed(proxy.at);
  ProxyAnswer answer;
  auto read = co_await read_answer(socket, answer, proxy.at);
  if (!read) co_return read;
  co_return judge(answer, relay, proxy);
}

Error unreachable(const Error& why) {
  return {"proxy_unreachable",
          fmt::format("The proxy cannot be reached. {} Correct --proxy or HTTPS_PROXY, or except the relay "
                      "with NO_PROXY.",
                      why.message)};
}

}  // namespace

asio::awaitable<Result<tcp::socket>> dial_relay(HostPort relay, ProxyRules rules,
                                                std::vector<tcp::endpoint> taken) {
  const Proxy* proxy = rules.on_the_way_to(relay);
  if (!proxy) co_return co_await dial(relay, std::move(taken));
  auto socket = co_await dial(proxy->at);
  if (!socket) co_return std::unexpected(unreachable(socket.error()));
  auto asked = co_await with_timeout(ask(*socket, relay, *proxy), kAnswerTime);
  if (!asked) {
    co_return fail("proxy_timeout",
                   fmt::format("The proxy {} did not answer within 10 s.", proxy->at.to_string()));
  }
  if (!*asked) co_return std::unexpected(asked->error());
  co_return std::move(*socket);
}

}  // namespace postern::agent
