#include "base/http/dial.hpp"

#include "base/with_timeout.hpp"

namespace postern::http {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

namespace {

constexpr std::size_t kMostAddresses = 8;

std::unexpected<Error> too_late(std::string_view step) {
  return fail("connect_timeout", fmt::format("{} took too long", step));
}

/// What this host was out of says nothing of the server.
bool is_local(const boost::system::error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_memory ||
         error == asio::error::no_buffer_space ||
         error == boost::system::errc::too_many_files_open_in_system ||
         error == boost::system::errc::address_not_available;
}

}  // namespace

awaitable<Result<std::unique_ptr<Stream>>> Dial::open(const Origin& origin, SSL_CTX* tls,
                                                      SteadyTime deadline) {
  const SteadyTime start = steady_now();
  auto addresses = co_await look_up(origin.host, deadline);
  const SteadyTime found = steady_now();
  timings_.dns = found - start;
  if (!addresses) co_return std::unexpected(addresses.error());

  auto connected = co_await connect(std::move(*addresses), origin.port, deadline);
  const SteadyTime there = steady_now();
  timings_.connect = there - found;
  if (!connected) co_return std::unexpected(connected.error());
  if (!tls) co_return std::move(stream_);

  auto secured = co_await secure(origin, tls, deadline);
  timings_.tls = steady_now() - there;
  watchdog_->set(*this, Watchdog::never);
  if (!secured) co_return std::unexpected(secured.error());
  co_return std::move(stream_);
}

awaitable<Result<Dial::Addresses>> Dial::look_up(std::string host, SteadyTime deadline) {
  boost::system::error_code not_literal;
  const auto literal = asio::ip::make_address(host, not_literal);
  if (!not_literal) co_return Addresses{literal};
  const Duration left = std::max(deadline - steady_now(), Duration(0));
  auto looked_up = co_await with_timeout(options_.resolver->resolve(host), left);
  if (!looked_up) co_return too_late("the look-up of " + host);
  if (*looked_up && (*looked_up)->empty()) co_return fail("dns_failed", host + " has no address");
  co_return std::move(*looked_up);
}

/// Each address gets an even share of the time left, so that one that swallows packets leaves some for the
/// next.
awaitable<Result<>> Dial::connect(Addresses addresses, std::uint16_t port, SteadyTime deadline) {
  if (addresses.size() > kMostAddresses) addresses.resize(kMostAddresses);
  Result<> outcome = fail("address_refused", "the address policy allows none of the host's addresses");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (!may_dial(addresses[i])) continue;
    const SteadyTime now = steady_now();
    if (now >= deadline) co_return too_late("connecting");
    const SteadyTime until = now + (deadline - now) / static_cast<int>(addresses.size() - i);
    outcome = co_await connect_one({addresses[i], port}, until);
    if (outcome) break;
  }
  co_return outcome;
}

awaitable<Result<>> Dial::connect_one(tcp::endpoint to, SteadyTime deadline) {
  stream_ = std::make_unique<Stream>(tcp::socket(co_await asio::this_coro::executor));
  timed_out_ = false;
  watchdog_->set(*this, deadline);
  const auto [error] = co_await stream_->socket().async_connect(to, asio::as_tuple(asio::use_awaitable));
  watchdog_->set(*this, Watchdog::never);
  const std::string where = fmt::format("connecting to {} port {}", to.address().to_string(), to.port());
  if (timed_out_) co_return too_late(where);
  if (error) {
    co_return fail(is_local(error) ? "local_resources" : "connect_failed",
                   fmt::format("{}: {}", where, error.message()));
  }
  boost::system::error_code ignored;
  stream_->socket().set_option(tcp::no_delay(true), ignored);
  co_return Result<>();
}

awaitable<Result<>> Dial::secure(const Origin& origin, SSL_CTX* tls, SteadyTime deadline) {
  timed_out_ = false;
  watchdog_->set(*this, deadline);
  const auto error = co_await stream_->connect_tls(tls, origin.host, options_.verify_tls);
  if (timed_out_) co_return too_late("the TLS handshake with " + origin.host);
  if (!error) co_return Result<>();
  const std::string& why = stream_->tls_failure();
  co_return fail("tls_failed",
                 fmt::format("TLS with {}: {}", origin.host, why.empty() ? error.message() : why));
}

}  // namespace postern::http
