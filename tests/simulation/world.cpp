#include "tests/simulation/world.hpp"

#include <fmt/format.h>

namespace postern::simulation {
namespace {

constexpr Duration kTrouble = std::chrono::seconds(90);
constexpr Duration kPeace = std::chrono::minutes(20);

tunnel::SessionLimits some_limits(Scheduler& scheduler) {
  tunnel::SessionLimits limits;
  limits.max_deliveries = 1 + static_cast<std::uint32_t>(scheduler.below(12));
  limits.stream_window = tunnel::kMaxData + scheduler.below(50'000);
  limits.session_window = tunnel::kMaxData + scheduler.below(100'000);
  limits.window_growth = scheduler.below(1'000'000);
  return limits;
}

DeliveryId id_of(std::size_t number) {
  DeliveryId id;
  id.uuid.fill(0);
  id.uuid[0] = static_cast<std::uint8_t>(number >> 8);
  id.uuid[1] = static_cast<std::uint8_t>(number);
  return id;
}

}  // namespace

World::World(std::uint64_t seed)
    : scheduler_(seed),
      disk_(scheduler_),
      relay_machine_(scheduler_),
      agent_machine_(scheduler_),
      relay_limits_(some_limits(scheduler_)),
      agent_limits_(some_limits(scheduler_)) {
  summary_.deliveries = 5 + scheduler_.below(40);
  for (std::size_t i = 0; i < summary_.deliveries; ++i) {
    Row row;
    row.id = id_of(i);
    row.next_at = scheduler_.now() + scheduler_.between(0, 60'000);
    row.body_size = scheduler_.chance(30) ? scheduler_.below(150'000) : scheduler_.below(2'000);
    store_.rows[row.id] = row;
  }
}

void World::run() {
  start_relay();
  start_agent();
  misfortune();
  const SteadyTime trouble = scheduler_.now() + kTrouble;
  while (scheduler_.step(trouble)) {
  }
  peace_ = true;
  if (!relay_) start_relay();
  if (!agent_) start_agent();
  const SteadyTime end = scheduler_.now() + kPeace;
  while (!store_.all_over() && scheduler_.step(end)) {
  }
  check_end();
}

void World::misfortune() {
  scheduler_.after(scheduler_.between(50, 4000), [this] {
    if (peace_) return;
    switch (scheduler_.below(10)) {
      case 0:
        kill_relay();
        break;
      case 1:
      case 2:
        kill_agent();
        break;
      case 3:
        fall_silent();
        break;
      case 4:
        suspend();
        break;
      default:
        cut();
    }
    misfortune();
  });
}

/// Half-open, as often as not.
void World::fall_silent() {
  const std::uint64_t how = scheduler_.below(4);
  if (link_) link_->fall_silent(how != 0, how != 1);
  ++summary_.cuts;
}

void World::suspend() {
  Machine& machine = scheduler_.chance(70) ? agent_machine_ : relay_machine_;
  machine.suspend(scheduler_.between(10, 60'000));
  ++summary_.sleeps;
}

void World::cut() {
  if (link_) link_->cut();
  ++summary_.cuts;
}

void World::kill_agent() {
  if (!agent_) return;
  ++summary_.crashes;
  agent_->die();
  agent_.reset();
  if (link_) link_->close(End::agent);
  disk_.crash(scheduler_.chance(50) ? Crash::killed : Crash::power_lost);
  witness_.agent_died(disk_.content());
  scheduler_.after(scheduler_.between(10, 3000), [this] {
    if (!agent_) start_agent();
  });
}

void World::kill_relay() {
  if (!relay_) return;
  ++summary_.crashes;
  relay_->die();
  relay_.reset();
  scheduler_.after(scheduler_.between(10, 3000), [this] {
    if (!relay_) start_relay();
  });
}

void World::start_relay() {
  relay_ = std::make_shared<RelayProcess>(scheduler_, relay_machine_, store_, witness_);
  relay_->start();
}

void World::start_agent() {
  agent_ = std::make_shared<AgentProcess>(scheduler_, agent_machine_, disk_, witness_, agent_limits_);
  connect_soon();
}

/// For as long as this agent's process lives.
void World::connect_soon() {
  scheduler_.after(scheduler_.between(20, 1000), [this, weak = std::weak_ptr(agent_)] {
    if (weak.expired() || weak.lock() != agent_) return;
    const bool awake = relay_machine_.awake() && agent_machine_.awake();
    if (awake && relay_ && !agent_->has_session()) connect();
    connect_soon();
  });
}

void World::connect() {
  auto at_relay = std::make_shared<Connection>(relay_machine_, End::relay, relay_limits_, agent_limits_);
  auto at_agent = std::make_shared<Connection>(agent_machine_, End::agent, agent_limits_, relay_limits_);
  link_ = std::make_shared<Link>(scheduler_, at_relay, at_agent);
  relay_->connected(at_relay, link_);
  agent_->connected(at_agent, link_);
}

void World::check_end() {
  summary_.calls = witness_.calls();
  summary_.trace = scheduler_.trace();
  for (const auto& [id, row] : store_.rows) {
    if (!relay::is_terminal(row.state))
      throw Violation(fmt::format("{} has not ended: {} {}, tried {} times", id.to_string(),
                                  to_text(row.state), row.reason, row.tries));
    if (row.state == relay::DeliveryState::delivered && !witness_.saw_success(id))
      throw Violation(id.to_string() + " is delivered, and its app never said so");
  }
}

}  // namespace postern::simulation
