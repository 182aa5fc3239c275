#include "relay/store/event_log.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

namespace postern::relay {
namespace asio = boost::asio;

asio::awaitable<Result<Appended>> append(EventLog& log, NewEvent event) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // The guard keeps the loop alive while only the store holds the coroutine.
  const auto guard = asio::prefer(executor, asio::execution::outstanding_work.tracked);
  auto initiate = [&log, executor, guard, event = std::move(event)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    // `reply_on` is the plain executor, so that the store can put a loop's answers into one post.
    log.append(std::move(event), executor,
               [shared, guard](Result<Appended> outcome) { (*shared)(std::move(outcome)); });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<Appended>)>(
      std::move(initiate), asio::use_awaitable);
}

}  // namespace postern::relay
