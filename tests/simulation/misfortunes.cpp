// What goes wrong, and how things get up again.
#include "tests/simulation/world.hpp"

namespace postern::simulation {

void World::misfortune() {
  scheduler_.after(scheduler_.between(50, 4000), [this] {
    if (peace_) return;
    strike();
    misfortune();
  });
}

void World::strike() {
  switch (scheduler_.below(14)) {
    case 0:
      return kill_relay();
    case 1:
    case 2:
      return kill_agent();
    case 3:
      return fall_silent();
    case 4:
      return suspend();
    case 5:
      return stop_relay();
    case 6:
      return lose_leases();
    case 7:
      return set_clock();
    case 8:
      if (relay_) relay_->kick();
      return;
    default:
      return cut();
  }
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

/// By up to an hour, either way. Nothing of the agent's that is simulated asks its wall clock; it is wrong
/// all the same.
void World::set_clock() {
  const std::int64_t most = scheduler_.chance(50) ? 5'000 : 3'600'000;
  Machine& machine = scheduler_.chance(80) ? relay_machine_ : agent_machine_;
  machine.set_wall(scheduler_.between(-most, most));
  ++summary_.jumps;
}

void World::lose_leases() {
  if (relay_) relay_->lose_leases();
  ++summary_.losses;
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
  start_relay_soon();
}

void World::stop_relay() {
  if (!relay_) return;
  relay_->stop([this, weak = std::weak_ptr(relay_)] {
    if (!relay_ || weak.lock() != relay_) return;
    relay_->die();
    relay_.reset();
    start_relay_soon();
  });
}

void World::start_relay_soon() {
  scheduler_.after(scheduler_.between(10, 3000), [this] {
    if (!relay_) start_relay();
  });
}

void World::start_relay() {
  relay_ = std::make_shared<RelayProcess>(RelayProcess::Surroundings{
      scheduler_, relay_machine_, store_, witness_, metrics_, destinations_, options_});
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

}  // namespace postern::simulation
