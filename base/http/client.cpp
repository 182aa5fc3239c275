#include "base/http/client.hpp"

#include <boost/asio/this_coro.hpp>

#include "base/http/client_state.hpp"
#include "base/http/dial.hpp"
#include "base/http/exchange.hpp"

namespace postern::http {

using boost::asio::awaitable;

Client::Client(ClientOptions options) : state_(std::make_shared<State>(std::move(options))) {}

Client::~Client() = default;

awaitable<ClientResult> Client::send(Origin origin, ClientRequest request, Duration limit) {
  const auto state = state_;
  state->tie_to(co_await boost::asio::this_coro::executor);
  SSL_CTX* tls = nullptr;
  if (origin.tls) {
    auto context = state->tls();
    if (!context) co_return std::unexpected(ClientError{std::move(context.error()), Sent::nothing, {}});
    tls = *context;
  }
  Exchange exchange(state->options, *state->pool, state->watchdog, std::move(origin), std::move(request),
                    limit);
  co_return co_await exchange.run(tls);
}

awaitable<Result<void>> Client::check(Origin origin, std::vector<std::string> pins, Duration limit) {
  const auto state = state_;
  state->tie_to(co_await boost::asio::this_coro::executor);
  SSL_CTX* tls = nullptr;
  if (origin.tls) {
    auto context = state->tls();
    if (!context) co_return std::unexpected(std::move(context.error()));
    tls = *context;
  }
  Timings timings;
  Dial dial(state->options, state->watchdog, timings);
  auto opened = co_await dial.open(origin, tls, pins, steady_now() + limit);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  (*opened)->close();
  co_return Result<void>();
}

}  // namespace postern::http
