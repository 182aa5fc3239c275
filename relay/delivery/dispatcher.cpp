#include "relay/delivery/dispatcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "relay/delivery/dispatcher_core.hpp"

namespace postern::relay {

Dispatcher::Dispatcher(DispatcherParts parts) : core_(std::make_shared<DispatcherCore>(std::move(parts))) {
  core_->listen();
}
Dispatcher::~Dispatcher() = default;

void Dispatcher::start(EventLog& log) {
  core_->start(log);
}

Admission Dispatcher::admit(const NewDelivery& delivery, const Event& event) {
  return core_->desk().admit(delivery.destination_id, memory_cost(event, delivery.payload));
}
void Dispatcher::handed_over(std::vector<LeasedDelivery> deliveries) {
  core_->hand_over(std::move(deliveries));
}
void Dispatcher::wake() {
  core_->wake();
}

void Dispatcher::kick(DestinationId) {
  core_->kick();
}
void Dispatcher::kick_all() {
  core_->kick();
}

boost::asio::awaitable<Dispatcher::Drained> Dispatcher::drain(Duration limit) {
  auto work = DispatcherCore::drain(core_, limit);
  auto started = boost::asio::co_spawn(core_->executor(), std::move(work), boost::asio::use_awaitable);
  co_return co_await std::move(started);
}

std::optional<Dispatcher::Status> Dispatcher::status(DestinationId destination) const {
  const auto view = core_->desk().view(destination);
  if (!view) return std::nullopt;
  Status status;
  status.mode = view->mode;
  status.leased = view->leased;
  status.waiting = view->gauges->waiting.load(std::memory_order_relaxed);
  status.in_flight = view->gauges->in_flight.load(std::memory_order_relaxed);
  status.window = view->gauges->window.load(std::memory_order_relaxed);
  return status;
}

}  // namespace postern::relay
