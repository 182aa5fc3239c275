// When others have taken over what this node had leased.
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {

void DispatcherCore::leases_lost() {
  ++losses_to_come_;
  desk_.begin_term();
  enter("leases_lost", [](DispatcherCore& core) { core.on_leases_lost(); });
}

// What has not started is forgotten: it is pending in the store, or another node's. What is under way goes
// on, and its outcome is fenced out.
void DispatcherCore::on_leases_lost() {
  ++losses_;
  --losses_to_come_;  // nothing starts before this has returned
  for (const Launch& it : suspects_.give_up()) put_back(it);
  for (Marked& it : std::exchange(marked_, {})) start_or_put_back(std::move(it));
  std::size_t forgotten = 0;
  for (auto& [id, queue] : queues_) {
    const auto waiting = queue->give_up();
    std::vector<LeaseEnd> ends;
    ends.reserve(waiting.size());
    for (const LeasedDelivery& it : waiting) ends.push_back({id, memory_cost(it)});
    desk_.release(ends);
    forgotten += waiting.size();
    if (queue->mode() == QueueMode::direct) drain_behind(*queue);
    if (queue->knows_order()) queue->heads().ask();
    touch(*queue);
  }
  log::warn("delivery.leases_lost", {{"forgotten", forgotten}, {"in_flight", ring_.in_flight()}});
  pump_due();
  schedule_turn();
}

// A claim that was asked for before the loss may come back after it, with leases that others have taken over,
// or with some of the new name's. It cannot be told which: none starts, and those that are lost are fenced
// out. So may a hand-over: what it was admitted in has ended since.
void DispatcherCore::take_in(LeasedDelivery delivery, Origin origin, std::uint64_t losses) {
  // What is leased is due, whatever it says: what was parked under a clock that was ahead would be due by
  // that one again if it went back.
  delivery.delivery.next_at = std::min(delivery.delivery.next_at, parts_.clock.now());
  if (losses == losses_) return accept(std::move(delivery), origin);
  withdraw(delivery, find(delivery.delivery.destination_id), DeliveryState::pending, {});
}

}  // namespace postern::relay
