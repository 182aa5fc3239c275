#include "tests/simulation/world.hpp"

#include <fmt/format.h>

namespace postern::simulation {
namespace {

constexpr Duration kTrouble = std::chrono::seconds(90);
/// A process that starts under a clock that is an hour behind finds deliveries due in an hour.
constexpr Duration kPeace = std::chrono::hours(3);

tunnel::SessionLimits some_limits(Scheduler& scheduler) {
  tunnel::SessionLimits limits;
  limits.max_deliveries = 1 + static_cast<std::uint32_t>(scheduler.below(12));
  limits.stream_window = tunnel::kMaxData + scheduler.below(50'000);
  limits.session_window = tunnel::kMaxData + scheduler.below(100'000);
  limits.window_growth = scheduler.below(1'000'000);
  return limits;
}

/// So little room that some deliveries are handed over in memory and others wait in the store.
relay::DispatcherOptions some_options(Scheduler& scheduler) {
  relay::DispatcherOptions options;
  options.leases.deliveries = 4 + scheduler.below(60);
  options.claim_batch = 1 + scheduler.below(16);
  options.in_flight = 4 + static_cast<unsigned>(scheduler.below(40));
  options.backlog_check = std::chrono::seconds(10);
  return options;
}

std::shared_ptr<relay::Destination> some_destination(Scheduler& scheduler, std::uint8_t number) {
  auto destination = std::make_shared<relay::Destination>();
  destination->id.uuid[0] = number;
  destination->workspace_id.uuid[0] = static_cast<std::uint8_t>(scheduler.below(2));
  destination->kind = relay::DestinationKind::agent;
  destination->agent_id = AgentId{};
  destination->url = fmt::format("http://app:{}/hook", 8000 + number);
  destination->timeout = std::chrono::seconds(10);
  destination->retry_schedule.assign(60, std::chrono::milliseconds(100));
  destination->retry_schedule.front() = scheduler.chance(90) ? Duration(0) : std::chrono::seconds(1);
  destination->concurrency = 1 + static_cast<unsigned>(scheduler.below(16));
  if (scheduler.chance(25)) destination->ordering = relay::Ordering::destination;
  destination->breaker.open_first = std::chrono::seconds(3);
  destination->breaker.open_most = std::chrono::seconds(20);
  return destination;
}

}  // namespace

World::World(std::uint64_t seed, prometheus::Registry& metrics)
    : scheduler_(seed),
      metrics_(metrics),
      disk_(scheduler_),
      relay_machine_(scheduler_),
      agent_machine_(scheduler_),
      relay_limits_(some_limits(scheduler_)),
      agent_limits_(some_limits(scheduler_)),
      options_(some_options(scheduler_)),
      provider_(scheduler_, [this] { return relay_machine_.awake() ? relay_ : nullptr; }) {
  make_destinations();
  plan_events();
}

void World::make_destinations() {
  const auto count = static_cast<std::uint8_t>(1 + scheduler_.below(3));
  for (std::uint8_t i = 1; i <= count; ++i) destinations_.push_back(some_destination(scheduler_, i));
}

void World::plan_events() {
  summary_.deliveries = 5 + scheduler_.below(40);
  for (std::size_t i = 0; i < summary_.deliveries; ++i) {
    const auto& destination = destinations_[scheduler_.below(destinations_.size())];
    const std::size_t size = scheduler_.chance(30) ? scheduler_.below(150'000) : scheduler_.below(2'000);
    provider_.send(destination, size, scheduler_.between(0, 60'000));
  }
}

/// What has happened may have made something ready on the relay's loop.
bool World::step(SteadyTime until) {
  if (!scheduler_.step(until)) return false;
  if (relay_) relay_->poll();
  witness_.judge();
  scheduler_.note(store_.open() << 32 | witness_.calls());
  return true;
}

void World::run() {
  start_relay();
  start_agent();
  misfortune();
  watch();
  const SteadyTime trouble = scheduler_.now() + kTrouble;
  while (step(trouble)) {
  }
  peace();
  const SteadyTime end = scheduler_.now() + kPeace;
  while (!all_over() && step(end)) {
  }
  check_end();
}

bool World::all_over() const {
  return store_.open() == 0 && provider_.satisfied();
}

void World::watch() {
  waits_.look(relay_machine_.awake() ? relay_.get() : nullptr);
  scheduler_.after(std::chrono::milliseconds(500), [this] { watch(); });
}

void World::peace() {
  peace_ = true;
  relay_machine_.set_wall({});
  if (!relay_) start_relay();
  if (!agent_) start_agent();
}

void World::check_end() {
  summary_.calls = witness_.calls();
  summary_.trace = scheduler_.trace();
  if (!provider_.satisfied()) throw Violation("an event was never acknowledged");
  if (store_.rows().size() != summary_.deliveries)
    throw Violation(
        fmt::format("{} events have become {} deliveries", summary_.deliveries, store_.rows().size()));
  for (const auto& [id, row] : store_.rows()) {
    const relay::Delivery& it = row.delivery;
    if (!relay::is_terminal(it.state))
      throw Violation(fmt::format("{} has not ended: {} {}, tried {} times", id.to_string(),
                                  to_text(it.state), it.reason, row.tries));
    if (it.state == relay::DeliveryState::delivered && !witness_.saw_success(id))
      throw Violation(id.to_string() + " is delivered, and its app never said so");
    // After too many crashes nobody asks the agent any more.
    const bool given_up = it.state != relay::DeliveryState::delivered && it.reason != "worker_crashed";
    if (given_up && witness_.success_stands(id))
      throw Violation(id.to_string() + " is " + it.reason + ", and its app has said yes");
  }
}

}  // namespace postern::simulation
