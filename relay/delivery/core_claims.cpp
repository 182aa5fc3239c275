// How deliveries come in: handed over in memory, or claimed from the store.
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {
namespace {

// The hand-overs a settling queue holds back may take all its room; without some beyond that it could never
// fetch what goes first.
constexpr std::size_t kHoldingClaim = 64;

// The store ends a claim early when bodies are large, so a claim that brought less than was asked for proves
// that nothing is left only while it brought less than this, too. EventLog's bound must not be lower.
constexpr std::size_t kWholeClaimBytes = 16 * 1024 * 1024;

bool is_exhausted(std::size_t count, std::size_t granted, std::size_t bytes) {
  return count < granted && (count == 0 || bytes < kWholeClaimBytes);
}

std::size_t total_cost(const std::vector<LeasedDelivery>& deliveries) {
  std::size_t bytes = 0;
  for (const auto& delivery : deliveries) bytes += memory_cost(delivery);
  return bytes;
}

}  // namespace

void DispatcherCore::hand_over(std::vector<LeasedDelivery> deliveries) {
  enter("hand_over", [deliveries = std::move(deliveries)](DispatcherCore& core) mutable {
    core.on_handed_over(std::move(deliveries));
  });
}

void DispatcherCore::on_handed_over(std::vector<LeasedDelivery> deliveries) {
  for (LeasedDelivery& delivery : deliveries) {
    const std::uint64_t term = delivery.term;
    take_in(std::move(delivery), Origin::handed_over, term);
  }
  schedule_turn();
}

void DispatcherCore::wake() {
  if (wake_posted_.exchange(true)) return;
  enter("wake", [](DispatcherCore& core) { core.on_wake(); });
}

void DispatcherCore::kick(std::vector<DestinationId> destinations) {
  enter("kick", [destinations = std::move(destinations)](DispatcherCore& core) mutable {
    core.ask_for_heads(destinations);
    core.pump_due();
    // What this node cannot make, such as for an agent that is elsewhere, another may.
    if (core.log_ != nullptr) core.log_->announce(std::move(destinations));
  });
}

void DispatcherCore::wake(std::vector<DestinationId> destinations) {
  enter("woken",
        [destinations = std::move(destinations)](DispatcherCore& core) { core.on_woken(destinations); });
}

// Another node left something in the store. What is running here looks behind what it is handed over in
// memory.
void DispatcherCore::on_woken(const std::vector<DestinationId>& destinations) {
  for (const DestinationId id : destinations) {
    Queue* queue = find(id);
    if (queue != nullptr && queue->mode() == QueueMode::direct) drain_behind(*queue);
  }
  ask_for_heads(destinations);
  pump_due();
  schedule_turn();
}

// Deliveries of a destination that is draining need no claim of their own: its claims go on until one comes
// back short. Those of one that is stopped wait for its return. So most wakes cost the store nothing.
void DispatcherCore::on_wake() {
  wake_posted_ = false;
  const AdmissionDesk::Spills spills = desk_.take_spills();
  for (const DestinationId id : spills.overflowed) {
    Queue* queue = find(id);
    if (queue == nullptr || queue->mode() != QueueMode::direct) continue;
    queue->drain();
    touch(*queue);
  }
  for (const DestinationId id : spills.in_order) {
    Queue* queue = find(id);
    if (queue == nullptr) continue;
    queue->has_order();
    queue->heads().ask();
    touch(*queue);
  }
  if (spills.unknown || spills.delayed || !spills.any) pump_due();
  schedule_turn();
}

void DispatcherCore::accept(LeasedDelivery delivery, Origin origin) {
  const DestinationId id = delivery.delivery.destination_id;
  Queue* queue = find(id);
  if (queue == nullptr) {  // perhaps newer than the last look at the catalog
    sync_catalog();
    queue = find(id);
  }
  if (queue == nullptr || queue->retired) {
    return withdraw(delivery, queue, DeliveryState::cancelled, "destination_deleted");
  }
  if (draining_) return withdraw(delivery, queue, DeliveryState::pending, "shutdown");
  if (!is_running(queue->mode())) return park(delivery, *queue);
  if (delivery.order_key != kNoOrder) {
    queue->claimed_in_order(std::move(delivery));
  } else if (origin == Origin::handed_over) {
    queue->handed_over(std::move(delivery));
  } else {
    queue->claimed(std::move(delivery));
  }
  touch(*queue);
}

void DispatcherCore::ask_backlog() {
  if (log_ == nullptr || failed_ || std::exchange(backlog_asked_, true)) return;
  backlog_asked_at_ = parts_.clock.steady();
  log_->backlog([weak = weak_from_this()](Result<std::vector<EventLog::Backlog>> backlog) {
    auto self = weak.lock();
    if (!self) return;
    self->enter("backlog", [backlog = std::move(backlog)](DispatcherCore& core) mutable {
      core.on_backlog(std::move(backlog));
    });
  });
}

void DispatcherCore::on_backlog(Result<std::vector<EventLog::Backlog>> backlog) {
  backlog_asked_ = false;
  if (!backlog) {
    log::warn("delivery.backlog_unknown", {{"error", backlog.error().message}});
    return;  // the sweep asks again
  }
  std::unordered_map<DestinationId, const EventLog::Backlog*> listed;
  for (const auto& entry : *backlog) listed.emplace(entry.destination_id, &entry);
  backlog_known_ = true;
  for (auto& [id, queue] : queues_) {
    const auto found = listed.find(id);
    place_after_backlog(*queue, found == listed.end() ? nullptr : found->second);
  }
  schedule_turn();
}

void DispatcherCore::place_after_backlog(Queue& queue, const EventLog::Backlog* backlog) {
  const bool first_look = std::exchange(queue.cold, false);
  if (first_look && queue.mode() == QueueMode::draining) {
    if (backlog != nullptr) {
      queue.resume();
    } else if (!draining_) {
      const bool clean = desk_.open(queue.id(), 0);
      queue.opened(!clean);
    }
  } else if (queue.mode() == QueueMode::direct && backlog != nullptr && backlog->parked > 0) {
    drain_behind(queue);
  }
  if (backlog != nullptr && backlog->in_order) {
    queue.has_order();
    queue.heads().ask();
  }
  touch(queue);
}

void DispatcherCore::pump_claims() {
  if (log_ == nullptr || draining_ || failed_) return;
  for (std::size_t n = claim_ring_.size(); n > 0 && claims_ < parts_.options.claims_at_once; --n) {
    Queue& queue = *claim_ring_.front();
    claim_ring_.pop_front();
    const std::size_t batch = parts_.options.claim_batch;
    queue.in_claim_ring = queue.wants_claim(batch) && !start_claim(queue);
    if (queue.wants_heads(batch) && !start_head_claim(queue)) queue.in_claim_ring = true;
    if (queue.in_claim_ring) claim_ring_.push_back(&queue);
  }
}

bool DispatcherCore::start_claim(Queue& queue) {
  const std::size_t want = queue.claim_size(parts_.options.claim_batch);
  const std::size_t least = queue.holding() ? std::min(want, kHoldingClaim) : 0;
  const std::size_t granted = desk_.reserve(queue.id(), want, bytes_each_, least);
  if (granted == 0) return false;
  const std::uint64_t mark = desk_.spilled(queue.id());  // before the claim, or it would prove nothing
  queue.claim_started();
  ++claims_;
  log_->claim_waiting(queue.id(), parts_.clock.now(), granted,
                      [weak = weak_from_this(), at = &queue, granted, mark, epoch = queue.epoch(),
                       losses = losses_](auto claimed) {
                        auto self = weak.lock();
                        if (!self) return;
                        self->enter("claimed",
                                    [=, claimed = std::move(claimed)](DispatcherCore& core) mutable {
                                      core.on_claimed(*at, granted, mark, epoch, losses, std::move(claimed));
                                    });
                      });
  return true;
}

void DispatcherCore::on_claimed(Queue& queue, std::size_t granted, std::uint64_t mark, std::uint64_t epoch,
                                std::uint64_t losses, Result<std::vector<LeasedDelivery>> claimed) {
  --claims_;
  schedule_turn();
  if (!claimed) {
    queue.claim_failed();  // the sweep tries again
    return desk_.unreserve(queue.id(), granted);
  }
  const std::size_t count = claimed->size();
  const std::size_t bytes = charge_claim(queue, granted, *claimed);
  const auto newest = count == 0 ? std::nullopt : std::optional(claimed->back().delivery.id);
  // Asked for before the queue stopped, it proves nothing about the store as it is now, and what it brought
  // may be newer than what was parked in between.
  const bool stale = epoch != queue.epoch();
  const Origin origin = stale ? Origin::handed_over : Origin::claimed;
  for (LeasedDelivery& delivery : *claimed) take_in(std::move(delivery), origin, losses);
  if (stale) {
    queue.claim_failed();
  } else if (queue.claim_ended(is_exhausted(count, granted, bytes), newest) && !draining_) {
    const bool clean = desk_.open(queue.id(), mark);
    queue.opened(!clean);
  }
  touch(queue);
  forget_if_idle(queue);
}

/// What was granted for it becomes what it brought; returns the memory of that.
std::size_t DispatcherCore::charge_claim(Queue& queue, std::size_t granted,
                                         const std::vector<LeasedDelivery>& claimed) {
  const std::size_t bytes = total_cost(claimed);
  desk_.unreserve(queue.id(), granted - std::min(claimed.size(), granted));
  desk_.charge(queue.id(), bytes);
  learn_size(bytes, claimed.size());
  return bytes;
}

// A claim asked for before a queue stopped may come back after its return, with deliveries newer than those
// that were parked in between.
DispatcherCore::Origin DispatcherCore::claim_origin(std::uint64_t stops) const {
  return stops == stops_ ? Origin::claimed : Origin::handed_over;
}

void DispatcherCore::pump_due() {
  if (log_ == nullptr || draining_ || failed_) return;
  due_again_ = due_claiming_;
  if (due_claiming_) return;
  const std::size_t granted = desk_.reserve_any(parts_.options.claim_batch, bytes_each_);
  if (granted == 0) return;  // the sweep tries again
  due_claiming_ = true;
  log_->claim_due(parts_.clock.now(), granted, {excluded_.begin(), excluded_.end()},
                  [weak = weak_from_this(), granted, stops = stops_, losses = losses_](auto claimed) {
                    auto self = weak.lock();
                    if (!self) return;
                    self->enter("due", [granted, stops, losses,
                                        claimed = std::move(claimed)](DispatcherCore& core) mutable {
                      core.on_due(granted, stops, losses, std::move(claimed));
                    });
                  });
}

void DispatcherCore::on_due(std::size_t granted, std::uint64_t stops, std::uint64_t losses,
                            Result<std::vector<LeasedDelivery>> claimed) {
  due_claiming_ = false;
  schedule_turn();
  if (!claimed) return desk_.unreserve_any(granted);  // the sweep tries again
  const std::size_t count = claimed->size();
  desk_.unreserve_any(granted - std::min(count, granted));
  const std::size_t bytes = total_cost(*claimed);
  learn_size(bytes, count);
  const Origin origin = claim_origin(stops);
  for (LeasedDelivery& delivery : *claimed) {
    desk_.attribute(delivery.delivery.destination_id, memory_cost(delivery));
    take_in(std::move(delivery), origin, losses);
  }
  if (!is_exhausted(count, granted, bytes) || due_again_) {
    pump_due();
  } else {
    ask_next_due();
  }
}

void DispatcherCore::ask_next_due() {
  if (draining_) return;
  log_->next_due(parts_.clock.now(), [weak = weak_from_this()](Result<std::optional<Time>> next) {
    auto self = weak.lock();
    if (!self || !next || !*next) return;
    self->enter("next_due", [at = **next](DispatcherCore& core) { core.arm_due(at); });
  });
}

void DispatcherCore::arm_due(Time at) {
  if (due_at_ && *due_at_ <= at) return;
  due_at_ = at;
  due_timer_.expires_after(std::max(at - parts_.clock.now(), Duration{}));
  due_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    auto self = weak.lock();
    if (ec || !self) return;
    self->due_at_.reset();
    self->guarded("due", [&] { self->pump_due(); });
  });
}

// A claim is bounded in deliveries, memory in bytes: large bodies make the next claims small at once, small
// ones make them large again step by step.
void DispatcherCore::learn_size(std::size_t bytes, std::size_t count) {
  if (count == 0) return;
  bytes_each_ = std::max(bytes / count, bytes_each_ * 3 / 4);
}

}  // namespace postern::relay
