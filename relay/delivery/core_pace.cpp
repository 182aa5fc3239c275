// What holds a destination back although it has something to start: its breaker, its rate, its retry budget.
// And the alarms that tell when that ends.
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {
namespace {

// Of retries, while they are held back: of each workspace, and of all.
constexpr RateLimit kTrickle{.per_second = 10, .burst = 10};
constexpr RateLimit kTrickles{.per_second = 100, .burst = 100};

std::string rate_key(const DestinationQueue& queue) {
  return "destination:" + queue.id().to_string();
}

}  // namespace

/// Of the one that ring_.next() gave. What may not start has been dealt with.
bool DispatcherCore::may_launch(Queue& queue) {
  const SteadyTime now = parts_.clock.steady();
  if (queue.next_may_wait() && holds_back(queue, now)) {
    postpone(queue, queue.come_back(now), "overload");
    parts_.shedding->count(Work::retries);
    return false;
  }
  if (!within_rate(queue)) return false;
  if (const auto wait = queue.charge_budget(now)) {
    rates().give_back(rate_key(queue), queue.rate(), now);
    postpone(queue, *wait, "retry_budget");
    metrics_.postponed();
    return false;
  }
  return true;
}

// They are safe in the store and no attempt is burnt. A few go on, so that a node that is always loaded gets
// to each of them in the end; a few of each workspace, as one with many would take all of them otherwise.
bool DispatcherCore::holds_back(const Queue& queue, SteadyTime now) {
  if (parts_.shedding == nullptr || !parts_.shedding->gives_up(Work::retries)) return false;
  const auto workspace = queue.destination()->workspace_id.bytes();
  if (!trickles_.take(workspace, kTrickle, now).allowed) return true;
  if (trickle_.take(kTrickles, now).allowed) return false;
  trickles_.give_back(workspace, kTrickle, now);
  return true;
}

Limiter& DispatcherCore::rates() {
  return parts_.rates != nullptr ? *parts_.rates : own_rates_;
}

bool DispatcherCore::within_rate(Queue& queue) {
  const RateLimit rate = queue.rate();
  if (rate.unlimited()) return true;
  const SteadyTime now = parts_.clock.steady();
  const Gcra::Verdict verdict = rates().take(rate_key(queue), rate, now);
  if (verdict.allowed) return true;
  queue.pace_until(now + verdict.retry_after);
  touch(queue);
  return false;
}

/// Of one whose part is down: what it was charged with is for those that can be sent.
void DispatcherCore::undo_start(Queue& queue, const Ticket& ticket) {
  queue.undo_charge(ticket.share);
  const RateLimit rate{ticket.destination->rate_per_second, ticket.destination->rate_burst};
  rates().give_back(rate_key(queue), rate, parts_.clock.steady());
  queue.did_not_begin();
}

void DispatcherCore::postpone(Queue& queue, Duration wait, std::string_view reason) {
  LeasedDelivery delivery = queue.set_aside();
  delivery.delivery.next_at = parts_.clock.now() + wait;
  if (delivery.order_key == kNoOrder) arm_due(delivery.delivery.next_at);
  leave_line(queue, delivery.order_key, false);
  withdraw(delivery, &queue, DeliveryState::pending, reason);
  touch(queue);
}

void DispatcherCore::judge_breaker(Queue& queue, const Ticket& ticket, Health health) {
  const Time now = parts_.clock.now();
  queue.own_view.answered(health);
  const bool moved = queue.breaker().record(ticket.round, health, now);
  queue.publish_breaker(now);
  if (moved) breaker_moved(queue);
}

void DispatcherCore::judge_part(Queue& queue, const AttemptResult& result) {
  if (!queue.parts() || result.part.empty()) return;
  if (!queue.parts()->record(result.part, result.part_round, health_of(result))) return;
  log::info("destination.part_breaker", {{"destination", queue.id()},
                                         {"workspace", queue.destination()->workspace_id},
                                         {"part", result.part},
                                         {"reason", reason_of(result.attempt)}});
}

/// By what this node saw, or was told to do.
void DispatcherCore::breaker_moved(Queue& queue) {
  if (queue.own_view.is_news()) tell_breaker(queue);
  follow_breaker(queue);
}

/// Whatever moved it.
void DispatcherCore::follow_breaker(Queue& queue) {
  const Time now = parts_.clock.now();
  const BreakerSnapshot& state = queue.breaker().snapshot();
  queue.publish_breaker(now);
  metrics_.breaker(state.state);
  const Breaker::Counts counts = queue.breaker().counts(now);
  const bool open = state.state == BreakerState::open;
  log::write(open ? log::Level::warn : log::Level::info, "destination.breaker",
             {{"destination", queue.id()},
              {"workspace", queue.destination()->workspace_id},
              {"state", to_text(state.state)},
              {"failures", counts.failures},
              {"attempts", counts.attempts},
              {"probe_at", open ? to_rfc3339(state.probe_at) : std::string()}});
  refresh(queue);
  if (queue.mode() == QueueMode::draining) desk_.set_mode(queue.id(), admission_mode(queue));
  touch(queue);
  schedule_turn();
}

// While older ones are only probed with, new ones are parked with those: if it fails again they need not be
// parked then.
QueueMode DispatcherCore::admission_mode(const Queue& queue) const {
  if (queue.mode() != QueueMode::draining) return queue.mode();
  return queue.breaker().state() == BreakerState::half_open ? QueueMode::broken : QueueMode::draining;
}

void DispatcherCore::reset_breaker(DestinationId id) {
  enter("breaker_reset", [id](DispatcherCore& core) {
    Queue* queue = core.find(id);
    if (queue == nullptr || queue->retired) return;
    if (queue->parts()) queue->parts()->reset();
    const bool moved = queue->breaker().reset(core.parts_.clock.now());
    queue->publish_breaker(core.parts_.clock.now());
    queue->own_view.settle();
    core.tell_breaker(*queue, true);  // closed here already, it may be open elsewhere
    if (moved) core.follow_breaker(*queue);
  });
}

// One timer for the earliest of all, and of the pauses of apps. An alarm that has become needless rings once
// for nothing.
void DispatcherCore::watch(Queue& queue) {
  std::optional<SteadyTime> at = queue.paced_until();
  if (const auto wakes = queue.wakes_at()) {
    const SteadyTime then = parts_.clock.steady() + std::max(*wakes - parts_.clock.now(), Duration{});
    at = at ? std::min(*at, then) : then;
  }
  if (!at || (queue.alarm_at && *queue.alarm_at <= *at)) return;
  unwatch(queue);
  queue.alarm_at = at;
  alarms_.emplace(*at, &queue);
  arm_alarm();
}

void DispatcherCore::unwatch(Queue& queue) {
  if (!queue.alarm_at) return;
  alarms_.erase({*queue.alarm_at, &queue});
  queue.alarm_at.reset();
}

void DispatcherCore::arm_alarm() {
  if ((alarms_.empty() && pauses_.empty()) || draining_) return;
  const SteadyTime alarm = alarms_.empty() ? SteadyTime::max() : alarms_.begin()->first;
  const SteadyTime at = pauses_.empty() ? alarm : std::min(alarm, pauses_.begin()->first);
  if (alarm_armed_ && *alarm_armed_ <= at) return;
  alarm_armed_ = at;
  alarm_timer_.expires_after(std::max(Duration(at - parts_.clock.steady()), Duration{}));
  alarm_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    auto self = weak.lock();
    if (ec || !self) return;
    self->alarm_armed_.reset();
    self->guarded("alarm", [&] { self->ring_alarms(); });
  });
}

void DispatcherCore::ring_alarms() {
  if (draining_) return;
  const SteadyTime now = parts_.clock.steady();
  end_pauses(now);
  while (!alarms_.empty() && alarms_.begin()->first <= now) {
    Queue& queue = *alarms_.begin()->second;
    unwatch(queue);
    wake_up(queue);
  }
  arm_alarm();
}

void DispatcherCore::wake_up(Queue& queue) {
  queue.tick(parts_.clock.steady());
  queue.heads().tick(parts_.clock.now());
  const bool probes = stopped_by(queue) == QueueMode::broken;  // others would wait for probes that never come
  if (probes && queue.breaker().elapse(parts_.clock.now())) breaker_moved(queue);
  refresh(queue);
  touch(queue);
  schedule_turn();
}

}  // namespace postern::relay
