#include "tests/unit/delivery/dispatcher_rig.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <stdexcept>

namespace postern::relay {

namespace asio = boost::asio;

bool FakeDirectory::present(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  return present_.contains(agent);
}

asio::awaitable<AgentAnswer> FakeDirectory::deliver(AgentId, AgentRequest) {
  throw std::logic_error("the dispatcher never delivers by itself");
  co_return AgentAnswer();
}

void FakeDirectory::set_quietly(AgentId agent, bool present) {
  const std::lock_guard lock(mutex_);
  if (present) {
    present_.insert(agent);
  } else {
    present_.erase(agent);
  }
}

std::optional<unsigned> FakeDirectory::app_places(AgentId, std::string_view host, std::uint16_t port) const {
  ++asked_;
  const std::lock_guard lock(mutex_);
  const auto found = places_.find({std::string(host), port});
  return found == places_.end() ? std::nullopt : found->second;
}

void FakeDirectory::set_places(const std::string& host, std::uint16_t port, std::optional<unsigned> places) {
  const std::lock_guard lock(mutex_);
  places_[{host, port}] = places;
}

void FakeDirectory::set(AgentId agent, bool present) {
  set_quietly(agent, present);
  listener_(agent, present);
}

Plan answers(int status) {
  Plan plan;
  plan.result.attempt.outcome = status / 100 == 2 ? Outcome::delivered : Outcome::rejected;
  plan.result.attempt.response_status = status;
  plan.result.gone = status == 410;
  return plan;
}

Plan not_sent(std::string code, bool wait_for_agent) {
  Plan plan;
  plan.result.attempt.outcome = Outcome::not_sent;
  plan.result.attempt.counted = false;
  plan.result.attempt.error_code = std::move(code);
  plan.result.wait_for_agent = wait_for_agent;
  return plan;
}

asio::awaitable<AttemptResult> ScriptedDriver::attempt(AttemptJob job) {
  const Plan plan = begin(job);
  auto executor = co_await asio::this_coro::executor;
  if (plan.hold || plan.takes > Duration{}) {
    auto held = std::make_shared<Held>(asio::steady_timer(executor), executor);
    held->timer.expires_after(plan.hold ? std::chrono::hours(1) : plan.takes);
    bool wait = true;
    if (plan.hold) {
      const std::lock_guard lock(board_.mutex);
      wait = !released_;
      held_.push_back(held);
    }
    if (wait) co_await held->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  end(job, plan);
  if (plan.throws) throw std::runtime_error("the driver has a bug");
  co_return plan.result;
}

Plan ScriptedDriver::begin(const AttemptJob& job) {
  const std::lock_guard lock(board_.mutex);
  const Delivery& delivery = job.leased.delivery;
  if (!active.insert(delivery.id).second) broken = "two attempts of one delivery at once";
  ++attempts;
  started[delivery.destination_id].push_back(delivery.id);
  auto& now = ++in_flight[delivery.destination_id];
  auto& most = most_in_flight[delivery.destination_id];
  most = std::max(most, now);
  Plan plan = script ? script(job) : answers(200);
  board_.changed.notify_all();
  return plan;
}

void ScriptedDriver::end(const AttemptJob& job, const Plan& plan) {
  const std::lock_guard lock(board_.mutex);
  if (at_end) at_end(job, plan);
  active.erase(job.leased.delivery.id);
  --in_flight[job.leased.delivery.destination_id];
  board_.changed.notify_all();
}

void ScriptedDriver::release() {
  const std::lock_guard lock(board_.mutex);
  released_ = true;
  for (const auto& weak : held_) {
    auto held = weak.lock();
    if (held) asio::post(held->executor, [held] { held->timer.cancel(); });
  }
  held_.clear();
}

DispatcherOptions DispatcherRig::quick() {
  DispatcherOptions options;
  options.sweep = std::chrono::milliseconds(5);
  return options;
}

DispatcherRig::DispatcherRig(DispatcherOptions options, BreakerBoard* breakers, Limiter* rates) {
  std::vector<LoopDrivers> drivers;
  for (auto& loop : loops) {
    loop = std::make_unique<asio::io_context>(1);
    guards_.push_back(asio::make_work_guard(*loop));
    drivers.push_back({loop->get_executor(),
                       {{DestinationKind::http, &driver},
                        {DestinationKind::agent, &driver},
                        {DestinationKind::nats, &driver}}});
  }
  auto disable = [this](DestinationId id, std::string reason) {
    const std::lock_guard lock(board.mutex);
    disabled.emplace_back(id, std::move(reason));
    board.changed.notify_all();
  };
  dispatcher = std::make_unique<Dispatcher>(DispatcherParts{loops[0]->get_executor(), std::move(drivers),
                                                            catalog, agents, clock, random, metrics, disable,
                                                            options, &shedding, breakers, rates});
  log = std::make_unique<FakeEventLog>(board, *dispatcher, clock);
}

DispatcherRig::~DispatcherRig() {
  for (auto& loop : loops) loop->stop();
  for (auto& thread : threads_) thread.join();
  log.reset();
  dispatcher.reset();
}

Destination& DispatcherRig::destination(std::uint64_t n) {
  auto& draft = drafts_[n];
  if (!draft) {
    draft = std::make_shared<Destination>(*make_destination(n));
  } else {
    draft = std::make_shared<Destination>(*draft);
  }
  return *draft;
}

void DispatcherRig::publish() {
  auto next = std::make_shared<Catalog>();
  for (const auto& [n, draft] : drafts_) next->destinations.emplace(draft->id, draft);
  catalog.replace(std::move(next));
}

void DispatcherRig::start() {
  publish();
  for (auto& loop : loops) threads_.emplace_back([&loop] { loop->run(); });
  dispatcher->start(*log);
}

DeliveryId DispatcherRig::append(std::uint64_t destination, OrderKey key) {
  auto event = std::make_shared<Event>();
  event->id = nth<EventId>(++last_id_);
  event->body = "{}";
  event->received_at = clock.now();
  NewEvent made;
  const auto id = nth<DeliveryId>(last_id_);
  const auto draft = drafts_.find(destination);
  if (draft != drafts_.end() && draft->second->ordering == Ordering::destination) key = kWholeDestination;
  made.deliveries.push_back({.id = id, .destination_id = nth<DestinationId>(destination), .order_key = key});
  made.event = std::move(event);
  log->append(std::move(made));
  return id;
}

Dispatcher::Drained DispatcherRig::drain(Duration limit) {
  auto work = dispatcher->drain(limit);
  return asio::co_spawn(*loops[1], std::move(work), asio::use_future).get();
}

bool DispatcherRig::all_ended() {
  return eventually([&] { return log->rows.size() >= last_id_ && log->open == 0; });
}

}  // namespace postern::relay
