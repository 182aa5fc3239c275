// What comes of attempts, and how it gets into the store.
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {
namespace {

// One transaction should not hold up the writer for long.
constexpr std::size_t kRecordsAtOnce = 512;
constexpr std::size_t kRecordBytesAtOnce = 1024 * 1024;

std::size_t answer_size(const Completion& completion) {
  if (!completion.attempt) return 0;
  std::size_t size = completion.attempt->response_body.size();
  for (const http::Header& it : completion.attempt->response_headers)
    size += it.name.size() + it.value.size();
  return size;
}

Completion without_answer(const Completion& completion) {
  Completion bare{completion.delivery_id, completion.lease_token, std::nullopt,
                  completion.next,        completion.next_at,     completion.reason};
  if (!completion.attempt) return bare;
  const Attempt& full = *completion.attempt;
  Attempt& attempt = bare.attempt.emplace();
  attempt.delivery_id = full.delivery_id;
  attempt.number = full.number;
  attempt.outcome = full.outcome;
  attempt.counted = full.counted;
  attempt.error_code = full.error_code;
  attempt.response_status = full.response_status;
  attempt.response_truncated = true;
  attempt.total = full.total;
  attempt.started_at = full.started_at;
  return bare;
}

}  // namespace

void DispatcherCore::on_finished(std::vector<Finished> finished) {
  for (Finished& one : finished) {
    guarded("conclude", [&] { conclude(std::move(one)); });
  }
  schedule_turn();
}

void DispatcherCore::conclude(Finished finished) {
  const Ticket& ticket = finished.ticket;
  Attempt& attempt = finished.result.attempt;
  Queue& queue = *ticket.queue;
  const Health health = whole_health_of(finished.result);
  judge_part(queue, finished.result);
  const bool held = finished.result.held;
  if (held) undo_start(queue, ticket);
  if (!held) queue.finished(health == Health::good);
  leave_place(ticket);
  finished.result.app_full = refused_by_app(ticket, finished.result);
  ring_.freed(queue);
  if (ticket.suspect) suspects_.over(ticket.lease_token);
  attempt.delivery_id = ticket.delivery_id;
  attempt.number = ticket.tries + 1;
  if (attempt.started_at == Time{}) attempt.started_at = ticket.started_at;
  if (!held) metrics_.attempt(ticket.destination->kind, attempt.outcome, attempt.total);
  Verdict verdict = verdict_for(queue, ticket, finished.result);
  leave_line(queue, ticket.order_key, is_terminal(verdict.next));
  log_outcome(ticket, verdict, attempt);
  std::optional<Attempt> made;
  if (!held) made = std::move(attempt);
  if (finished.result.committed) recording_->committed.push_back(std::move(finished.result.committed));
  record({ticket.delivery_id, ticket.lease_token, std::move(made), verdict.next, verdict.next_at,
          std::move(verdict.reason)},
         queue.id(), ticket.bytes, &queue, ticket.order_key);
  judge_breaker(queue, ticket, health);
  touch(queue);
}

Verdict DispatcherCore::verdict_for(Queue& queue, const Ticket& ticket, const AttemptResult& result) {
  const Time now = parts_.clock.now();
  const RetryContext context{*ticket.destination, ticket.attempt_count, ticket.tries, now};
  Verdict verdict = judge(context, result, parts_.random);
  if (verdict.next == DeliveryState::delivered) metrics_.delivered_after(now - ticket.received_at);
  if (verdict.disable_destination) disable_gone(queue, ticket);
  if (verdict.next == DeliveryState::parked) {
    result.wait_for_app ? app_was_away(queue) : agent_was_away(queue, ticket);
  }
  if (is_terminal(verdict.next)) return verdict;
  if (queue.retired) return {DeliveryState::cancelled, {}, "destination_deleted"};
  if (queue.mode() == QueueMode::disabled) return {DeliveryState::parked, {}, "destination_disabled"};
  if (result.held) verdict.next_at += queue.come_back_to_part(parts_.clock.steady());
  if (verdict.next == DeliveryState::pending && ticket.order_key == kNoOrder) arm_due(verdict.next_at);
  return verdict;
}

// The driver may know before the presence event has come. An attempt begun before the agent's last return
// says nothing about now: only its own delivery goes back. If the directory still says it is there, the sweep
// resumes.
void DispatcherCore::agent_was_away(Queue& queue, const Ticket& ticket) {
  if (!is_running(queue.mode()) || draining_) return;
  if (ticket.epoch == queue.epoch()) {
    stop(queue, QueueMode::away);
  } else {
    drain_behind(queue);
  }
}

// If the agent has taken its word back meanwhile, this delivery is older than what comes.
void DispatcherCore::app_was_away(Queue& queue) {
  ask_again(queue);
  refresh(queue);
  if (is_running(queue.mode()) && !draining_) drain_behind(queue);
}

// Only for the configuration that was asked: a new URL has not refused anything.
void DispatcherCore::disable_gone(Queue& queue, const Ticket& ticket) {
  if (queue.retired || queue.mode() == QueueMode::disabled) return;
  if (ticket.destination->updated_at != queue.destination()->updated_at) return;
  queue.gone_at_version = ticket.destination->updated_at;
  log::warn("destination.disabled", {{"destination", queue.id()}, {"reason", "gone"}});
  stop(queue, QueueMode::disabled);
  if (parts_.disable) guarded("disable", [&] { parts_.disable(queue.id(), "gone"); });
}

void DispatcherCore::park(const LeasedDelivery& delivery, Queue& queue) {
  withdraw(delivery, &queue, DeliveryState::parked, parking_reason(queue.mode()));
}

void DispatcherCore::withdraw(const LeasedDelivery& delivery, Queue* queue, DeliveryState next,
                              std::string_view reason) {
  const Time next_at = std::max(parts_.clock.now(), delivery.delivery.next_at);
  record({delivery.delivery.id, delivery.lease_token, std::nullopt, next, next_at, std::string(reason)},
         delivery.delivery.destination_id, memory_cost(delivery), queue, delivery.order_key);
  schedule_turn();
}

void DispatcherCore::record(Completion completion, DestinationId destination, std::size_t bytes, Queue* queue,
                            OrderKey key) {
  const bool waits = completion.next == DeliveryState::pending && completion.next_at > parts_.clock.now();
  const bool claimable_now = !is_terminal(completion.next) && !waits && key == kNoOrder;
  const bool freed = key != kNoOrder && queue != nullptr && !queue->holds(key);
  if (queue != nullptr) {
    queue->recording();
    if (claimable_now) queue->giving_back();
  }
  metrics_.ended(completion.next);
  const std::size_t answer_bytes = answer_size(completion);
  recording_->answer_bytes += answer_bytes;
  unrecorded_bytes_ += answer_bytes;
  recording_->bare.push_back(without_answer(completion));
  recording_->ends.push_back({destination, bytes});
  recording_->notes.push_back({queue, claimable_now, freed});
  completions_.push_back(std::move(completion));
  if (completions_.size() >= kRecordsAtOnce || recording_->answer_bytes >= kRecordBytesAtOnce)
    flush_records();
}

void DispatcherCore::flush_records() {
  if (completions_.empty() || log_ == nullptr) return;
  submit(std::exchange(completions_, {}), std::exchange(recording_, std::make_shared<Recording>()));
}

void DispatcherCore::submit(std::vector<Completion> completions, std::shared_ptr<Recording> recording) {
  ++recordings_;
  log_->complete(std::move(completions), [weak = weak_from_this(), recording](Result<std::size_t> fenced_in) {
    auto self = weak.lock();
    if (!self) return;
    self->enter("recorded", [recording, fenced_in = std::move(fenced_in)](DispatcherCore& core) {
      core.on_recorded(recording, fenced_in);
    });
  });
}

void DispatcherCore::resubmit() {
  for (auto& recording : std::exchange(stalled_, {})) {
    auto again = recording->bare;
    submit(std::move(again), std::move(recording));
  }
}

void DispatcherCore::on_recorded(const std::shared_ptr<Recording>& recording,
                                 const Result<std::size_t>& fenced_in) {
  --recordings_;
  unrecorded_bytes_ -= std::exchange(recording->answer_bytes, 0);  // stored, or dropped: see Recording::bare
  schedule_turn();
  if (!fenced_in) {
    if (fenced_in.error().code == "store_busy") return stalled_.push_back(recording);
    if (!std::exchange(failed_, true))
      log::error("delivery.store_failed", {{"error", fenced_in.error().message}});
    return;
  }
  const std::size_t lost = recording->ends.size() - std::min(*fenced_in, recording->ends.size());
  if (lost > 0) {
    metrics_.lease_lost(lost);
    log::warn("delivery.lease_lost", {{"count", lost}, {"of", recording->ends.size()}});
  }
  // Which of them kept their lease is not told: an agent may keep an outcome longer, never forget it early.
  if (lost == 0) tell_committed(*recording);
  desk_.release(recording->ends);
  for (const auto& [queue, returned, freed] : recording->notes) {
    if (queue == nullptr) continue;
    queue->recorded();
    if (returned) queue->gave_back();
    if (freed) queue->heads().ask();
    touch(*queue);
  }
  if (draining_) leave_to_others(*recording);
  for (const auto& note : recording->notes) {
    if (note.queue != nullptr && note.queue->retired)
      return sync_catalog();  // forgets those that are idle now
  }
}

void DispatcherCore::tell_committed(const Recording& recording) {
  for (const auto& tell : recording.committed) guarded("committed", tell);
}

void DispatcherCore::log_outcome(const Ticket& ticket, const Verdict& verdict, const Attempt& attempt) const {
  if (verdict.next == DeliveryState::dead) {
    log::warn("delivery.dead", {{"delivery", ticket.delivery_id},
                                {"event", ticket.event_id},
                                {"destination", ticket.destination->id},
                                {"reason", verdict.reason},
                                {"attempt", attempt.number},
                                {"status", attempt.response_status}});
  } else if (log::enabled(log::Level::debug)) {
    log::debug("delivery.completed", {{"delivery", ticket.delivery_id},
                                      {"event", ticket.event_id},
                                      {"destination", ticket.destination->id},
                                      {"attempt", attempt.number},
                                      {"outcome", to_text(attempt.outcome)},
                                      {"state", to_text(verdict.next)},
                                      {"reason", verdict.reason}});
  }
}

}  // namespace postern::relay
