#include "base/http/client.hpp"

#include <boost/asio/this_coro.hpp>

#include "base/http/client_state.hpp"
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

}  // namespace postern::http
