#include "agent/byte_budget.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::agent {

namespace asio = boost::asio;

struct ByteBudget::Place {
  Place(std::list<Waiter*>& waiters, Waiter& waiter)
      : list(waiters), at(waiters.insert(waiters.end(), &waiter)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { list.erase(at); }
  std::list<Waiter*>& list;
  std::list<Waiter*>::iterator at;
};

ByteBudget::Hold::~Hold() {
  if (budget_) budget_->give_back(app_, bytes_);
}

asio::awaitable<ByteBudget::Hold> ByteBudget::take(std::string app, std::size_t bytes, Duration limit) {
  if (bytes > total_) co_return Hold();
  if (fits(app, bytes)) {
    charge(app, bytes);
    co_return Hold(*this, std::move(app), bytes);
  }
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, limit);
  Waiter waiter{app, bytes, std::move(timer)};
  const Place place(waiters_, waiter);
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await waiter.timer.async_wait(token);
  // Charged already by whoever made room.
  co_return waiter.granted ? Hold(*this, std::move(app), bytes) : Hold();
}

bool ByteBudget::fits(const std::string& app, std::size_t bytes) const {
  const auto found = by_app_.find(app);
  const std::size_t own = found == by_app_.end() ? 0 : found->second;
  return used_ + bytes <= total_ && (own == 0 || own + bytes <= total_ / 2);
}

void ByteBudget::charge(const std::string& app, std::size_t bytes) {
  used_ += bytes;
  by_app_[app] += bytes;
}

void ByteBudget::give_back(const std::string& app, std::size_t bytes) {
  used_ -= bytes;
  const auto found = by_app_.find(app);
  found->second -= bytes;
  if (found->second == 0) by_app_.erase(found);
  let_in();
}

void ByteBudget::resize(std::size_t total) {
  total_ = total;
  let_in();
}

void ByteBudget::let_in() {
  for (Waiter* waiter : waiters_) {
    if (waiter->granted || !fits(waiter->app, waiter->bytes)) continue;
    charge(waiter->app, waiter->bytes);
    waiter->granted = true;
    waiter->timer.cancel();
  }
}

}  // namespace postern::agent
