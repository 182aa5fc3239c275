// Deliveries that a process may have died of: marked before they are tried, and tried in small company.
#include <unordered_set>

#include "relay/delivery/core_guard.hpp"

namespace postern::relay {

void DispatcherCore::try_suspects() {
  std::vector<Launch> company = suspects_.next(parts_.clock.steady(), [this](Launch& it) {
    const auto& app = it.ticket.queue->app();
    if (app && app->room() == 0) return false;
    take_place(it);
    return true;
  });
  // Its destination may have been switched off since, perhaps because of this very delivery.
  std::erase_if(company, [this](const Launch& it) {
    const bool may = !it.ticket.queue->retired && is_running(it.ticket.queue->mode());
    if (!may) suspects_.over(it.ticket.lease_token);
    if (!may) put_back(it);
    return !may;
  });
  if (company.empty() || log_ == nullptr) return;
  std::vector<EventLog::Started> started;
  started.reserve(company.size());
  for (const Launch& it : company) started.push_back({it.ticket.delivery_id, it.ticket.lease_token});
  log::info("delivery.suspects_tried",
            {{"count", company.size()}, {"crashes", company.front().job.leased.crashes}});
  auto shared = std::make_shared<Marked>(Marked{std::move(company), losses_, {}});
  log_->mark_started(std::move(started), [weak = weak_from_this(), shared](auto marked) {
    auto self = weak.lock();
    if (!self) return;
    shared->held = std::move(marked).value_or(std::vector<std::uint64_t>());
    self->enter("suspects", [shared](DispatcherCore& core) { core.on_marked(std::move(*shared)); });
  });
}

// This node may have stood still since they were marked, and others may have them: like any start, this one
// waits for the heartbeat.
void DispatcherCore::on_marked(Marked it) {
  if (it.losses == losses_ && !is_sure_of_leases())
    return marked_.push_back(std::move(it));  // counted as tried; the sweep comes back to it
  start_or_put_back(std::move(it));
}

void DispatcherCore::go_on_with_marked() {
  if (marked_.empty() || !is_sure_of_leases()) return;
  for (Marked& it : std::exchange(marked_, {})) start_or_put_back(std::move(it));
}

void DispatcherCore::start_or_put_back(Marked it) {
  std::unordered_set<std::uint64_t> held;
  // What was marked before a loss is others' by now.
  if (it.losses == losses_) held.insert(it.held.begin(), it.held.end());
  std::vector<std::vector<Launch>> by_loop(loops_.size());
  for (Launch& launch : it.company) {
    if (held.contains(launch.ticket.lease_token)) {
      by_loop[next_loop_].push_back(std::move(launch));
      next_loop_ = (next_loop_ + 1) % by_loop.size();
    } else {
      suspects_.over(launch.ticket.lease_token);
      put_back(launch);
    }
  }
  for (std::size_t i = 0; i < by_loop.size(); ++i) {
    if (!by_loop[i].empty()) loops_[i]->start(std::move(by_loop[i]));
  }
  schedule_turn();
}

// Not counted, so not tried: the store was busy, or the lease is another's by now.
void DispatcherCore::put_back(const Launch& launch) {
  Queue& queue = *launch.ticket.queue;
  queue.finished(false);
  leave_place(launch.ticket);
  ring_.freed(queue);
  judge_breaker(queue, launch.ticket, Health::silent);
  leave_line(queue, launch.ticket.order_key, false);
  withdraw(launch.job.leased, &queue, DeliveryState::pending, "not_started");
  touch(queue);
}

}  // namespace postern::relay
