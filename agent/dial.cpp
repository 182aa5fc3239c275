#include "agent/dial.hpp"

#include <boost/asio/as_tuple.hpp>

#include <algorithm>

#include "base/with_timeout.hpp"

namespace postern::agent {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr Duration kLookUpTime = std::chrono::seconds(5);
constexpr Duration kConnectTime = std::chrono::seconds(4);
constexpr std::size_t kAddresses = 8;

struct Found {
  error_code error;
  std::vector<tcp::endpoint> endpoints;
};

asio::awaitable<Found> resolve(HostPort target) {
  tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto token = asio::as_tuple(asio::use_awaitable);
  const std::string service = std::to_string(target.port);
  auto [ec, results] =
      co_await resolver.async_resolve(target.host, service, tcp::resolver::numeric_service, token);
  Found found;
  found.error = ec;
  for (const auto& entry : results) {
    if (found.endpoints.size() < kAddresses) found.endpoints.push_back(entry.endpoint());
  }
  co_return found;
}

asio::awaitable<error_code> connect(tcp::socket& socket, tcp::endpoint endpoint) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  auto [ec] = co_await socket.async_connect(endpoint, token);
  co_return ec;
}

std::vector<tcp::endpoint> free_ones_first(const std::vector<tcp::endpoint>& all,
                                           const std::vector<tcp::endpoint>& taken) {
  std::vector<tcp::endpoint> out;
  for (const bool used : {false, true}) {
    std::ranges::copy_if(all, std::back_inserter(out), [&](const tcp::endpoint& endpoint) {
      return (std::ranges::count(taken, endpoint) > 0) == used;
    });
  }
  return out;
}

}  // namespace

asio::awaitable<Result<std::vector<tcp::endpoint>>> look_up(HostPort target) {
  auto found = co_await with_timeout(resolve(target), kLookUpTime);
  if (!found) co_return fail("dns_failed", fmt::format("Looking up {} took longer than 5 s.", target.host));
  if (found->error)
    co_return fail("dns_failed", fmt::format("Cannot look up {}: {}.", target.host, found->error.message()));
  if (found->endpoints.empty()) co_return fail("dns_failed", fmt::format("{} has no address.", target.host));
  co_return std::move(found->endpoints);
}

asio::awaitable<Result<tcp::socket>> dial(HostPort target, std::vector<tcp::endpoint> taken) {
  auto endpoints = co_await look_up(target);
  if (!endpoints) co_return std::unexpected(endpoints.error());
  *endpoints = free_ones_first(*endpoints, taken);
  auto executor = co_await asio::this_coro::executor;
  Error last;
  for (const tcp::endpoint& endpoint : *endpoints) {
    tcp::socket socket(executor);
    const auto ec = co_await with_timeout(connect(socket, endpoint), kConnectTime);
    if (ec && !*ec) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      co_return std::move(socket);
    }
    const HostPort tried{endpoint.address().to_string(), endpoint.port()};
    last = ec ? Error{"connect_failed", fmt::format("Cannot connect to {} ({}): {}.", target.to_string(),
                                                    tried.to_string(), ec->message())}
              : Error{"connect_timeout",
                      fmt::format("{} ({}) does not answer.", target.to_string(), tried.to_string())};
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace postern::agent
