#include "relay/delivery/dispatcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "relay/delivery/dispatcher_core.hpp"

namespace postern::relay {
namespace {

void read_breaker(Dispatcher::Status& status, const QueueGauges& gauges) {
  constexpr auto relaxed = std::memory_order_relaxed;
  status.breaker.state = static_cast<BreakerState>(gauges.breaker_state.load(relaxed));
  status.breaker.since = from_micros(gauges.breaker_since.load(relaxed));
  status.breaker.probe_at = from_micros(gauges.breaker_probe_at.load(relaxed));
  status.failures = {gauges.breaker_attempts.load(relaxed), gauges.breaker_failures.load(relaxed),
                     gauges.breaker_in_a_row.load(relaxed)};
}

}  // namespace

Dispatcher::Dispatcher(DispatcherParts parts) : core_(std::make_shared<DispatcherCore>(std::move(parts))) {
  core_->listen();
}
Dispatcher::~Dispatcher() = default;

void Dispatcher::start(EventLog& log) {
  core_->start(log);
}

Admission Dispatcher::admit(const NewDelivery& delivery, const Event& event) {
  return core_->desk().admit(delivery.destination_id, memory_cost(event, delivery.payload),
                             delivery.order_key);
}
void Dispatcher::handed_over(std::vector<LeasedDelivery> deliveries) {
  core_->hand_over(std::move(deliveries));
}
void Dispatcher::wake() {
  core_->wake();
}
void Dispatcher::wake(std::vector<DestinationId> destinations) {
  core_->wake(std::move(destinations));
}
void Dispatcher::not_committed(const NewDelivery& delivery, const Event& event) {
  const LeaseEnd end{delivery.destination_id, memory_cost(event, delivery.payload)};
  core_->desk().release({&end, 1});
}
void Dispatcher::leases_lost() {
  core_->leases_lost();
}
bool Dispatcher::forgetting() const {
  return core_->forgetting();
}

void Dispatcher::kick(DestinationId destination) {
  core_->kick({destination});
}
void Dispatcher::kick_all() {
  core_->kick({});
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
  read_breaker(status, *view->gauges);
  if (view->gauges->parts) status.parts = view->gauges->parts->not_closed();
  return status;
}

void Dispatcher::reset_breaker(DestinationId destination) {
  core_->reset_breaker(destination);
}

}  // namespace postern::relay
