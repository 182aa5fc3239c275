#pragma once
// Bodies of the two awaitable templates of database.hpp.

namespace postern::relay {
namespace detail {

/// Resumes the awaiting coroutine on its own executor with `outcome` or the store's error.
template <class T, class Start>
boost::asio::awaitable<Result<T>> await_store(Start start) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [executor, start = std::move(start)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto outcome = std::make_shared<std::optional<Result<T>>>();
    // The work guard keeps the loop alive while only the store holds the coroutine.
    auto guarded = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    start(outcome, [shared, outcome, guarded](Result<void> stored) {
      asio::post(guarded, [shared, outcome, stored = std::move(stored)]() mutable {
        Result<T> result = !stored    ? Result<T>(std::unexpected(std::move(stored.error())))
                           : *outcome ? std::move(**outcome)
                                      : Result<T>(fail("store_failed", "The job did not run."));
        (*shared)(std::move(result));
      });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<T>)>(
      std::move(initiate), asio::use_awaitable);
}

}  // namespace detail

template <class T, class Fn>
boost::asio::awaitable<Result<T>> write(Database& db, Fn fn) {
  return detail::await_store<T>([&db, fn = std::move(fn)](auto outcome, Database::Done done) mutable {
    db.write(
        [fn, outcome](Transaction& tx) -> Result<void> {
          outcome->emplace(fn(tx));
          if (!**outcome) return std::unexpected((*outcome)->error());
          return {};
        },
        std::move(done));
  });
}

template <class T, class Fn>
boost::asio::awaitable<Result<T>> read(Database& db, Fn fn) {
  return detail::await_store<T>([&db, fn = std::move(fn)](auto outcome, Database::Done done) mutable {
    db.read([fn, outcome](Transaction& tx) { outcome->emplace(fn(tx)); }, std::move(done));
  });
}

}  // namespace postern::relay
