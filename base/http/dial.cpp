#include "base/http/dial.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/http/connect_unix.hpp"
#include "base/with_timeout.hpp"

namespace postern::http {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

namespace {

constexpr std::size_t kMostAddresses = 8;
constexpr Duration kFullQueuePause = std::chrono::milliseconds(5);

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

Result<> check_pins(const Origin& origin, const std::string& key, const std::vector<std::string>& pins) {
  if (pins.empty() || std::find(pins.begin(), pins.end(), key) != pins.end()) return {};
  return fail("tls_pin_mismatch", fmt::format("{} port {} holds another key than those it is known by; the "
                                              "SHA-256 of its key is {}",
                                              origin.host, origin.port, hex_encode(key)));
}

}  // namespace

awaitable<Result<std::unique_ptr<Stream>>> Dial::open(const Origin& origin, SSL_CTX* tls,
                                                      const std::vector<std::string>& pins,
                                                      SteadyTime deadline) {
  auto reached = co_await reach(origin, deadline);
  const SteadyTime there = steady_now();
  if (!reached) co_return std::unexpected(reached.error());
  if (!tls) co_return std::move(stream_);

  auto secured = co_await secure(origin, tls, pins, deadline);
  timings_.tls = steady_now() - there;
  watchdog_->set(*this, Watchdog::never);
  if (!secured) co_return std::unexpected(secured.error());
  co_return std::move(stream_);
}

awaitable<Result<>> Dial::reach(const Origin& origin, SteadyTime deadline) {
  const SteadyTime start = steady_now();
  if (origin.host.starts_with(kUnixHost)) {
    auto connected = co_await connect_socket(origin.host.substr(kUnixHost.size()), deadline);
    timings_.connect = steady_now() - start;
    co_return connected;
  }
  auto addresses = co_await look_up(origin.host, deadline);
  const SteadyTime found = steady_now();
  timings_.dns = found - start;
  if (!addresses) co_return std::unexpected(addresses.error());
  auto connected = co_await connect(std::move(*addresses), origin.port, deadline);
  timings_.connect = steady_now() - found;
  co_return connected;
}

/// A unix socket takes a connection at once, refuses it, or has a queue that is full (EAGAIN): nothing tells
/// when it is not any more, so that is asked again.
awaitable<Result<>> Dial::connect_socket(std::string path, SteadyTime deadline) {
  if (!options_.unix_sockets) co_return fail("address_refused", "sockets of this machine are not dialled");
  const std::string where = "connecting to " + path;
  stream_ = std::make_unique<Stream>(tcp::socket(co_await asio::this_coro::executor));
  asio::steady_timer pause(stream_->socket().get_executor());
  auto error = connect_unix(stream_->socket(), path);
  while (error == asio::error::try_again) {
    if (steady_now() >= deadline) co_return too_late(where);
    pause.expires_after(kFullQueuePause);
    co_await pause.async_wait(asio::use_awaitable);
    error = connect_unix(stream_->socket(), path);
  }
  if (!error) co_return Result<>();
  co_return fail(is_local(error) ? "local_resources" : "connect_failed",
                 fmt::format("{}: {}", where, error.message()));
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

awaitable<Result<>> Dial::secure(const Origin& origin, SSL_CTX* tls, const std::vector<std::string>& pins,
                                 SteadyTime deadline) {
  timed_out_ = false;
  watchdog_->set(*this, deadline);
  const auto error = co_await stream_->connect_tls(tls, origin.host, options_.verify_tls && pins.empty());
  if (timed_out_) co_return too_late("the TLS handshake with " + origin.host);
  if (error) {
    const std::string& why = stream_->tls_failure();
    co_return fail("tls_failed",
                   fmt::format("TLS with {}: {}", origin.host, why.empty() ? error.message() : why));
  }
  co_return check_pins(origin, stream_->peer_key_sha256(), pins);
}

}  // namespace postern::http
