// Deliveries with an order key: claims along the keys, and what follows when one of a key is over.
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kLeastHeads = 8;

}  // namespace

/// Of these destinations, or with none of all, something with an order key may be there for the taking.
void DispatcherCore::ask_for_heads(const std::vector<DestinationId>& destinations) {
  const auto ask = [this](Queue& queue) {
    if (!queue.knows_order()) return;
    queue.heads().ask();
    touch(queue);
  };
  for (const DestinationId id : destinations) {
    if (Queue* queue = find(id)) ask(*queue);
  }
  if (destinations.empty()) {
    for (auto& [id, queue] : queues_) ask(*queue);
  }
  schedule_turn();
}

// What is handed over may take all the room, as soon as there is some: without a little beyond that, nothing
// in order might ever be fetched.
bool DispatcherCore::start_head_claim(Queue& queue) {
  const std::size_t want = queue.heads_size(parts_.options.claim_batch);
  const std::size_t least = queue.holds_in_order() ? 0 : std::min(want, kLeastHeads);
  const std::size_t granted = desk_.reserve(queue.id(), want, bytes_each_, least);
  if (granted == 0) return false;
  EventLog::HeadsWanted wanted{.destination = queue.id(),
                               .now = parts_.clock.now(),
                               .after = queue.heads().after(),
                               .limit = granted,
                               .run = queue.run_length(granted)};
  queue.heads().started();
  ++claims_;
  log_->claim_heads(wanted, [weak = weak_from_this(), at = &queue, granted,
                             losses = losses_](Result<EventLog::Heads> heads) {
    auto self = weak.lock();
    if (!self) return;
    self->enter("heads", [at, granted, losses, heads = std::move(heads)](DispatcherCore& core) mutable {
      core.on_heads(*at, granted, losses, std::move(heads));
    });
  });
  return true;
}

void DispatcherCore::on_heads(Queue& queue, std::size_t granted, std::uint64_t losses,
                              Result<EventLog::Heads> heads) {
  --claims_;
  schedule_turn();
  if (!heads) {
    queue.heads().failed();  // the sweep tries again
    return desk_.unreserve(queue.id(), granted);
  }
  charge_claim(queue, granted, heads->leased);
  queue.heads().ended(*heads, parts_.clock.now());
  for (LeasedDelivery& delivery : heads->leased) take_in(std::move(delivery), Origin::claimed, losses);
  touch(queue);
  forget_if_idle(queue);
}

// Those behind one that goes back were leased with it and never started, so the store gives them again, after
// it.
void DispatcherCore::leave_line(Queue& queue, OrderKey key, bool ended) {
  if (key == kNoOrder) return;
  if (ended) return queue.ended_in_order(key);
  for (const LeasedDelivery& behind : queue.give_back_behind(key))
    withdraw(behind, &queue, DeliveryState::pending, {});
}

// Other nodes look by themselves for what is in no order.
void DispatcherCore::leave_to_others(const Recording& recording) {
  std::unordered_set<DestinationId> freed;
  for (const auto& note : recording.notes) {
    if (note.queue != nullptr && note.freed) freed.insert(note.queue->id());
  }
  if (!freed.empty()) log_->announce({freed.begin(), freed.end()});
}

}  // namespace postern::relay
