// The polite end.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "relay/delivery/core_guard.hpp"

namespace postern::relay {

boost::asio::awaitable<Dispatcher::Drained> DispatcherCore::drain(std::shared_ptr<DispatcherCore> self,
                                                                  Duration limit) {
  self->begin_drain();
  self->drain_timer_.expires_after(limit);
  bool expired = false;
  while (!expired && !self->quiet()) {
    // turn() cancels the wait when nothing is under way any more.
    auto wait = self->drain_timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    const auto [error] = co_await std::move(wait);
    expired = !error;
  }
  Dispatcher::Drained drained;
  drained.unfinished = self->ring_.in_flight();
  log::info("delivery.drained", {{"unfinished", drained.unfinished}});
  co_return drained;
}

void DispatcherCore::begin_drain() {
  draining_ = true;
  desk_.close();
  due_timer_.cancel();
  alarm_timer_.cancel();
  for (auto& [id, queue] : queues_) {
    for (const auto& delivery : queue->give_up()) {
      withdraw(delivery, queue.get(), DeliveryState::pending, "shutdown");
    }
  }
  for (const Launch& launch : suspects_.give_up()) put_back(launch);
  flush_records();
}

bool DispatcherCore::quiet() const {
  if (ring_.in_flight() > 0) return false;
  if (failed_ || log_ == nullptr) return true;
  return completions_.empty() && recordings_ == 0 && stalled_.empty() && claims_ == 0 && !due_claiming_;
}

}  // namespace postern::relay
