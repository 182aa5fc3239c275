// Which destinations there are, and which of them can be reached.
#include "relay/delivery/core_guard.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {

DispatcherCore::Queue* DispatcherCore::find(DestinationId id) {
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : found->second.get();
}

void DispatcherCore::sync_catalog() {
  catalog_ = parts_.catalog.current();
  for (const auto& [id, destination] : catalog_->destinations) add_place(destination);
  by_agent_.clear();
  std::vector<Queue*> gone;
  for (auto& [id, queue] : queues_) {
    const auto& destination = *queue->destination();
    if (!catalog_->destinations.contains(id)) {
      gone.push_back(queue.get());
    } else if (destination.kind == DestinationKind::agent && destination.agent_id) {
      by_agent_[*destination.agent_id].push_back(queue.get());
    }
  }
  for (Queue* queue : gone) retire(*queue);
  schedule_turn();
}

void DispatcherCore::add_place(const std::shared_ptr<const Destination>& destination) {
  auto& slot = queues_[destination->id];
  if (!slot) {
    slot = std::make_unique<Queue>(destination);
    if (destination->kind == DestinationKind::nats)
      slot->give_parts(std::make_shared<PartBreakers>(parts_.clock, destination->breaker));
    slot->cold = !backlog_known_;
    if (destination->ordering != Ordering::none) slot->heads().ask();
    desk_.add(destination->id, QueueMode::draining, slot->gauges(), destination->workspace_id);
    take_over_breaker(*slot);
    join_app(*slot);
  } else if (slot->destination() != destination) {
    reconfigure(*slot, destination);
    join_app(*slot);
  }
  desk_.set_first_wait(destination->id, first_wait(*destination));
  refresh(*slot);
  touch(*slot);
}

void DispatcherCore::reconfigure(Queue& queue, const std::shared_ptr<const Destination>& destination) {
  const Destination& before = *queue.destination();
  const bool elsewhere = before.url != destination->url || before.agent_id != destination->agent_id;
  if (before.ordering != destination->ordering) queue.heads().ask();
  if (before.ordering != Ordering::none) queue.has_order();
  queue.configure(destination);
  Breaker& breaker = queue.breaker();
  const BreakerState state = breaker.state();
  breaker.configure(destination->breaker, parts_.clock.now());
  if (queue.parts()) queue.parts()->configure(destination->breaker);
  if (elsewhere) breaker.reset(parts_.clock.now());  // a new place has not failed
  if (elsewhere) queue.own_view.settle();
  if (breaker.state() != state) breaker_moved(queue);
}

void DispatcherCore::retire(Queue& queue) {
  if (!std::exchange(queue.retired, true)) {
    leave_app(queue);
    desk_.remove(queue.id());
    queue.stop(QueueMode::disabled);
    for (const auto& delivery : queue.give_up()) {
      withdraw(delivery, &queue, DeliveryState::cancelled, "destination_deleted");
    }
  }
  forget_if_idle(queue);
}

void DispatcherCore::forget_if_idle(Queue& queue) {
  if (!queue.retired || !queue.idle()) return;
  ring_.remove(queue);
  unwatch(queue);
  std::erase(claim_ring_, &queue);
  excluded_.erase(queue.id());
  queues_.erase(DestinationId(queue.id()));
}

// The directory is asked again rather than the event believed: events of an old and a new session come from
// different loops and may arrive swapped.
void DispatcherCore::on_presence(AgentId agent) {
  const auto found = by_agent_.find(agent);
  if (found == by_agent_.end()) return;
  const bool present = parts_.agents.present(agent);
  ask_apps(found->second);
  for (Queue* queue : found->second) {
    if (present) try_again(*queue);
    refresh(*queue);
    touch(*queue);
  }
  schedule_turn();
}

/// Any thread. However often an agent speaks, one look at what all of them say is on its way.
void DispatcherCore::hear_health(AgentId agent) {
  const std::lock_guard lock(health_mutex_);
  const bool under_way = !health_of_.empty();
  health_of_.insert(agent);
  if (!under_way) enter("app_health", [](DispatcherCore& core) { core.on_app_health(); });
}

void DispatcherCore::on_app_health() {
  std::set<AgentId> agents;
  {
    const std::lock_guard lock(health_mutex_);
    agents.swap(health_of_);
  }
  for (const AgentId agent : agents) look_at_apps(agent);
  schedule_turn();
}

// Only what has changed costs more than a glance: an agent may have very many destinations, and much to say.
void DispatcherCore::look_at_apps(AgentId agent) {
  const auto found = by_agent_.find(agent);
  if (found == by_agent_.end()) return;
  ask_apps(found->second);
  for (Queue* queue : found->second) {
    const auto& app = queue->app();
    if (!app || (!app->news && app->away == (queue->mode() == QueueMode::app_away))) continue;
    refresh(*queue);
    touch(*queue);
  }
}

// Its app may well have come back with the agent.
void DispatcherCore::try_again(Queue& queue) {
  if (draining_ || queue.retired) return;
  const Time now = parts_.clock.now();
  queue.breaker().probe_soon(now);
  if (queue.breaker().elapse(now)) breaker_moved(queue);
}

std::optional<QueueMode> DispatcherCore::stopped_by(const Queue& queue) const {
  const Destination& destination = *queue.destination();
  if (!destination.enabled || queue.gone_at_version == destination.updated_at) return QueueMode::disabled;
  const bool needs_agent = destination.kind == DestinationKind::agent;
  if (needs_agent && (!destination.agent_id || !parts_.agents.present(*destination.agent_id))) {
    return QueueMode::away;
  }
  if (needs_agent && queue.app() && queue.app()->away) return QueueMode::app_away;
  if (queue.breaker().state() == BreakerState::open) return QueueMode::broken;
  return std::nullopt;
}

void DispatcherCore::refresh(Queue& queue) {
  if (queue.retired || draining_) return;
  auto stopped = stopped_by(queue);
  // What an agent says of its apps comes with it, and the news of either may still be on its way.
  if (!stopped && !is_running(queue.mode()) && ask_again(queue)) stopped = stopped_by(queue);
  if (stopped && queue.mode() != *stopped) {
    stop(queue, *stopped);
  } else if (!stopped && !is_running(queue.mode())) {
    resume(queue);
  }
}

void DispatcherCore::stop(Queue& queue, QueueMode mode) {
  desk_.set_mode(queue.id(), mode);
  queue.stop(mode);
  ++stops_;
  for (const auto& delivery : queue.give_up()) park(delivery, queue);
  touch(queue);
}

void DispatcherCore::resume(Queue& queue) {
  queue.resume();
  desk_.set_mode(queue.id(), admission_mode(queue));
  touch(queue);
}

void DispatcherCore::drain_behind(Queue& queue) {
  queue.drain();
  desk_.set_mode(queue.id(), admission_mode(queue));
  touch(queue);
}

}  // namespace postern::relay
