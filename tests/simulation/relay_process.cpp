#include "tests/simulation/relay_process.hpp"

#include <boost/asio/co_spawn.hpp>

namespace postern::simulation {

namespace asio = boost::asio;

namespace {

constexpr Duration kDrain = std::chrono::seconds(12);

}  // namespace

RelayProcess::RelayProcess(const Surroundings& around)
    : around_(around),
      clock_(around.machine),
      schedule_(clock_),
      loop_(std::make_shared<Loop>(around.machine)),
      hub_(around.machine, *loop_, clock_),
      driver_(hub_, clock_),
      log_(std::make_shared<SimulatedEventLog>(around.scheduler, around.machine, around.store, schedule_)),
      watched_driver_({around.scheduler, around.store, around.witness}, log_, driver_),
      started_at_(around.scheduler.now()) {
  auto catalog = std::make_shared<relay::Catalog>();
  for (const auto& destination : around_.destinations)
    catalog->destinations.emplace(destination->id, destination);
  catalog_.replace(std::move(catalog));
  const asio::any_io_executor on = loop_->context().get_executor();
  dispatcher_ = std::make_unique<relay::Dispatcher>(
      relay::DispatcherParts{on,
                             {{on, {{relay::DestinationKind::agent, &watched_driver_}}}},
                             catalog_,
                             hub_,
                             schedule_,
                             around_.scheduler.random(),
                             around_.metrics,
                             {},
                             around_.options});
}

void RelayProcess::start() {
  log_->attach(*dispatcher_);
  log_->recover();
  dispatcher_->start(*log_);
  poll();
}

void RelayProcess::ingest(const Sent& sent, DeliveryId id, std::function<void()> done) {
  auto event = std::make_shared<relay::Event>();
  event->id.uuid = id.uuid;
  event->dedupe_key = sent.key;
  event->method = "POST";
  event->target = "/in/w/s";
  event->body.assign(sent.size, 'b');
  event->received_at = clock_.now();
  const bool ordered = sent.destination->ordering == relay::Ordering::destination;
  relay::NewEvent made;
  made.event = std::move(event);
  made.deliveries.push_back({.id = id,
                             .destination_id = sent.destination->id,
                             .order_key = ordered ? relay::kWholeDestination : relay::kNoOrder});
  log_->append(std::move(made), loop_->context().get_executor(), [done](const Result<relay::Appended>& it) {
    if (it) done();
  });
}

void RelayProcess::connected(const std::shared_ptr<Connection>& connection,
                             const std::shared_ptr<Link>& link) {
  hub_.connected(connection, link);
}

void RelayProcess::stop(std::function<void()> done) {
  stopping_ = true;
  hub_.go_away();
  auto over = [weak = weak_from_this(), done = std::move(done)](const std::exception_ptr&,
                                                                const relay::Dispatcher::Drained&) {
    const auto self = weak.lock();
    if (!self) return;
    self->log_->give_back_leases();
    self->around_.scheduler.after(Duration(0), done);  // not from within what is to be destroyed
  };
  asio::co_spawn(loop_->context(), dispatcher_->drain(kDrain), std::move(over));
}

void RelayProcess::die() {
  log_->die();
}

}  // namespace postern::simulation
