// The actor's life: start, turns, and the sweep that catches what slipped through.
#include "relay/delivery/core_guard.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {

DispatcherCore::DispatcherCore(DispatcherParts parts)
    : parts_(std::move(parts)),
      desk_(parts_.options.leases),
      metrics_(parts_.metrics),
      ring_(parts_.options.in_flight),
      launches_(parts_.loops.size()),
      due_timer_(parts_.executor),
      alarm_timer_(parts_.executor),
      sweep_timer_(parts_.executor),
      drain_timer_(parts_.executor) {}

void DispatcherCore::listen() {
  const auto weak = weak_from_this();
  for (LoopDrivers& drivers : parts_.loops) {
    loops_.push_back(std::make_shared<AttemptLoop>(drivers, [weak](std::vector<Finished> finished) {
      if (auto self = weak.lock()) {
        self->enter("attempts", [finished = std::move(finished)](DispatcherCore& core) mutable {
          core.on_finished(std::move(finished));
        });
      }
    }));
  }
  parts_.catalog.on_change([weak](const Catalog&) {
    if (auto self = weak.lock()) self->enter("catalog", [](DispatcherCore& core) { core.sync_catalog(); });
  });
  if (parts_.breakers != nullptr) {
    parts_.breakers->on_heard([weak](DestinationId id) {
      if (auto self = weak.lock())
        self->enter("breaker_heard", [id](DispatcherCore& core) { core.on_breaker_heard(id); });
    });
  }
  parts_.agents.on_app_health([weak](AgentId agent) {
    if (auto self = weak.lock()) self->hear_health(agent);
  });
  parts_.agents.on_presence([weak](AgentId agent, bool) {
    if (auto self = weak.lock())
      self->enter("presence", [agent](DispatcherCore& core) { core.on_presence(agent); });
  });
}

void DispatcherCore::start(EventLog& log) {
  enter("start", [&log](DispatcherCore& core) { core.begin(log); });
}

void DispatcherCore::begin(EventLog& log) {
  log_ = &log;
  sync_catalog();
  ask_backlog();
  pump_due();
  arm_sweep();
}

void DispatcherCore::schedule_turn() {
  if (std::exchange(turn_scheduled_, true)) return;
  enter("turn", [](DispatcherCore& core) { core.turn(); });
}

void DispatcherCore::turn() {
  turn_scheduled_ = false;
  go_on_with_marked();
  start_attempts();
  flush_records();
  pump_claims();
  if (draining_ && quiet()) drain_timer_.cancel();
}

void DispatcherCore::start_attempts() {
  if (draining_ || failed_) return;
  if (!is_sure_of_leases()) return;  // the sweep comes back to it
  ring_.retry_over_share();
  try_suspects();  // before the lines at apps: they have waited since a process died
  call_waiting();
  while (unrecorded_bytes_ < parts_.options.unrecorded_bytes) {
    Queue* queue = ring_.next();
    if (queue == nullptr && call_waiting()) continue;
    if (queue == nullptr) break;
    if (!may_launch(*queue)) continue;
    Launch next = launch(*queue);
    touch(*queue);
    if (next.ticket.suspect) {
      suspects_.add(std::move(next));
      continue;
    }
    launches_[next_loop_].push_back(std::move(next));
    next_loop_ = (next_loop_ + 1) % launches_.size();
  }
  try_suspects();
  for (std::size_t i = 0; i < launches_.size(); ++i) {
    if (!launches_[i].empty()) loops_[i]->start(std::exchange(launches_[i], {}));
  }
}

Launch DispatcherCore::launch(Queue& queue) {
  Launch launch;
  const std::size_t bytes = queue.next_bytes();
  const BudgetShare share = queue.next_share();
  launch.job.leased = queue.take();
  ring_.taken(queue, bytes);
  launch.job.destination = queue.destination();
  launch.job.parts = queue.parts();
  const LeasedDelivery& leased = launch.job.leased;
  const auto source = catalog_->sources.find(leased.delivery.source_id);
  if (source != catalog_->sources.end()) launch.job.source = source->second;
  launch.ticket = {.delivery_id = leased.delivery.id,
                   .event_id = leased.delivery.event_id,
                   .lease_token = leased.lease_token,
                   .attempt_count = leased.delivery.attempt_count,
                   .tries = leased.tries,
                   .bytes = bytes,
                   .suspect = leased.crashes > 0,
                   .order_key = leased.order_key,
                   .share = share,
                   .queue = &queue,
                   .epoch = queue.epoch(),
                   .round = queue.breaker().begin(),
                   .destination = queue.destination(),
                   .received_at = leased.event->received_at,
                   .started_at = parts_.clock.now()};
  queue.uncall();
  if (!launch.ticket.suspect) take_place(launch);  // a suspect: when its time has come
  return launch;
}

// Brings the lists up to date with what has changed in the queue. Cheap: call it freely.
void DispatcherCore::touch(Queue& queue) {
  if (queue.paced_until()) queue.tick(parts_.clock.steady());
  ring_.add(queue);
  watch(queue);
  const std::size_t batch = parts_.options.claim_batch;
  if (!queue.in_claim_ring && (queue.wants_claim(batch) || queue.wants_heads(batch))) {
    queue.in_claim_ring = true;
    claim_ring_.push_back(&queue);
  }
  // Claims over all destinations leave out those that could not use what they get: it would be at others'
  // expense.
  const bool exclude = queue.mode() != QueueMode::direct || queue.waiting() >= 2 * parts_.options.claim_batch;
  if (exclude == queue.excluded) return;
  queue.excluded = exclude;
  if (exclude) {
    excluded_.insert(queue.id());
  } else {
    excluded_.erase(queue.id());
  }
}

void DispatcherCore::arm_sweep() {
  sweep_timer_.expires_after(parts_.options.sweep);
  sweep_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    auto self = weak.lock();
    if (ec || !self) return;
    self->guarded("sweep", [&] { self->sweep(); });
    self->arm_sweep();
  });
}

void DispatcherCore::sweep() {
  for (const auto& [agent, queues] : by_agent_) ask_apps(queues);  // words lapse
  for (auto& [id, queue] : queues_) {
    refresh(*queue);
    queue->publish_breaker(parts_.clock.now());
    touch(*queue);
  }
  ring_alarms();
  resubmit();
  const bool stale = parts_.clock.steady() - backlog_asked_at_ >= parts_.options.backlog_check;
  if (!backlog_known_ || stale) ask_backlog();
  pump_due();
  report_depths();
  schedule_turn();
}

void DispatcherCore::report_depths() {
  const auto draining = std::count_if(queues_.begin(), queues_.end(), [](const auto& entry) {
    return entry.second->mode() == QueueMode::draining;
  });
  const auto broken = std::count_if(queues_.begin(), queues_.end(), [](const auto& entry) {
    return entry.second->breaker().state() != BreakerState::closed;
  });
  metrics_.depths(ring_.in_flight(), desk_.leased(), static_cast<std::size_t>(draining),
                  static_cast<std::size_t>(broken));
}

}  // namespace postern::relay
