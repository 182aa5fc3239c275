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
    slot->cold = !backlog_known_;
    desk_.add(destination->id, QueueMode::draining, slot->gauges());
  } else if (slot->destination() != destination) {
    slot->configure(destination);
  }
  desk_.set_first_wait(destination->id, first_wait(*destination));
  refresh(*slot);
  touch(*slot);
}

void DispatcherCore::retire(Queue& queue) {
  if (!std::exchange(queue.retired, true)) {
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
  std::erase(claim_ring_, &queue);
  excluded_.erase(queue.id());
  queues_.erase(DestinationId(queue.id()));
}

// The directory is asked again rather than the event believed: events of an old and a new session come from
// different loops and may arrive swapped.
void DispatcherCore::on_presence(AgentId agent) {
  const auto found = by_agent_.find(agent);
  if (found == by_agent_.end()) return;
  for (Queue* queue : found->second) {
    refresh(*queue);
    touch(*queue);
  }
  schedule_turn();
}

std::optional<QueueMode> DispatcherCore::stopped_by(const Queue& queue) const {
  const Destination& destination = *queue.destination();
  if (!destination.enabled || queue.gone_at_version == destination.updated_at) return QueueMode::disabled;
  if (destination.kind != DestinationKind::agent) return std::nullopt;
  if (!destination.agent_id || !parts_.agents.present(*destination.agent_id)) return QueueMode::away;
  return std::nullopt;
}

void DispatcherCore::refresh(Queue& queue) {
  if (queue.retired || draining_) return;
  const auto stopped = stopped_by(queue);
  const bool is_stopped = queue.mode() == QueueMode::away || queue.mode() == QueueMode::disabled;
  if (stopped && queue.mode() != *stopped) {
    stop(queue, *stopped);
  } else if (!stopped && is_stopped) {
    resume(queue);
  }
}

void DispatcherCore::stop(Queue& queue, QueueMode mode) {
  desk_.set_mode(queue.id(), mode);
  queue.stop(mode);
  ++stops_;
  const char* reason = mode == QueueMode::away ? "agent_away" : "destination_disabled";
  for (const auto& delivery : queue.give_up()) withdraw(delivery, &queue, DeliveryState::parked, reason);
  touch(queue);
}

void DispatcherCore::resume(Queue& queue) {
  queue.resume();
  desk_.set_mode(queue.id(), QueueMode::draining);
  touch(queue);
}

void DispatcherCore::drain_behind(Queue& queue) {
  queue.drain();
  desk_.set_mode(queue.id(), QueueMode::draining);
  touch(queue);
}

}  // namespace postern::relay
