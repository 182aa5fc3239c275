#include "tests/unit/delivery/fake_event_log.hpp"

#include <algorithm>

namespace postern::relay {

FakeEventLog::FakeEventLog(Board& board, DeliveryIntake& intake, const Clock& clock)
    : board_(board), intake_(intake), clock_(clock), writer_([this] { run(); }) {}

FakeEventLog::~FakeEventLog() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_all();
  writer_.join();
}

void FakeEventLog::enqueue(Job job) {
  {
    const std::lock_guard lock(queue_mutex_);
    queue_.push_back(std::move(job));
  }
  queue_changed_.notify_all();
}

void FakeEventLog::run() {
  while (true) {
    std::vector<Job> jobs;
    {
      std::unique_lock lock(queue_mutex_);
      queue_changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      while (!queue_.empty() && jobs.size() < 64) {
        jobs.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    commit(std::move(jobs));
  }
}

void FakeEventLog::commit(std::vector<Job> jobs) {
  Group group;
  {
    const std::lock_guard lock(board_.mutex);
    for (auto& job : jobs) job(group);
  }
  board_.changed.notify_all();
  if (!group.handed_over.empty()) intake_.handed_over(std::move(group.handed_over));
  if (group.wake) intake_.wake();
  for (auto& after : group.after) after();
}

void FakeEventLog::append(NewEvent event, boost::asio::any_io_executor, AppendDone) {
  enqueue([this, event = std::move(event)](Group& group) {
    for (const NewDelivery& made : event.deliveries) {
      const Admission admission = intake_.admit(made, *event.event);
      Row row;
      row.event = event.event;
      row.delivery.id = made.id;
      row.delivery.event_id = event.event->id;
      row.delivery.destination_id = made.destination_id;
      row.delivery.reason = admission.reason;
      row.delivery.state =
          admission.state == DeliveryState::leased ? DeliveryState::pending : admission.state;
      row.delivery.next_at = clock_.now() + admission.wait;
      row.order_key = made.order_key;
      if (made.order_key != kNoOrder && admission.state == DeliveryState::leased) broken = "leased in order";
      insert(std::move(row));
      if (admission.state == DeliveryState::leased) {
        group.handed_over.push_back(lease(rows.at(made.id)));
        group.handed_over.back().term = admission.term;
      } else {
        group.wake = true;
      }
    }
  });
}

void FakeEventLog::insert(Row row) {
  const Delivery delivery = row.delivery;
  ++open;
  const OrderKey key = row.order_key;
  rows.emplace(delivery.id, std::move(row));
  if (key != kNoOrder) {
    in_order_[delivery.destination_id][key].insert(delivery.id);
    return;
  }
  waiting_[delivery.destination_id].insert(delivery.id);
  if (delivery.state == DeliveryState::parked) parked_[delivery.destination_id].insert(delivery.id);
  if (delivery.state == DeliveryState::pending)
    pending_[delivery.destination_id].emplace(delivery.next_at, delivery.id);
}

void FakeEventLog::move_to(Row& row, DeliveryState state, Time next_at, std::string reason) {
  Delivery& delivery = row.delivery;
  if (is_terminal(delivery.state)) broken = "a terminal delivery moved";
  if (row.order_key != kNoOrder) {
    delivery.state = state;
    delivery.next_at = next_at;
    delivery.reason = std::move(reason);
    return move_in_order(row);
  }
  pending_[delivery.destination_id].erase({delivery.next_at, delivery.id});
  waiting_[delivery.destination_id].erase(delivery.id);
  parked_[delivery.destination_id].erase(delivery.id);
  delivery.state = state;
  delivery.next_at = next_at;
  delivery.reason = std::move(reason);
  if (state == DeliveryState::pending) pending_[delivery.destination_id].emplace(next_at, delivery.id);
  if (state == DeliveryState::parked) parked_[delivery.destination_id].insert(delivery.id);
  if (state == DeliveryState::pending || state == DeliveryState::parked) {
    waiting_[delivery.destination_id].insert(delivery.id);
  }
  if (is_terminal(state)) --open;
}

void FakeEventLog::move_in_order(Row& row) {
  if (!is_terminal(row.delivery.state)) return;
  --open;
  auto& lines = in_order_[row.delivery.destination_id];
  auto& line = lines[row.order_key];
  line.erase(row.delivery.id);
  if (line.empty()) lines.erase(row.order_key);
}

LeasedDelivery FakeEventLog::lease(Row& row) {
  move_to(row, DeliveryState::leased, row.delivery.next_at, {});
  row.token = ++last_token_;
  LeasedDelivery leased{row.delivery, row.event, row.token, row.tries};
  leased.order_key = row.order_key;
  leased.crashes = row.crashes;
  return leased;
}

bool FakeEventLog::apply(const Completion& completion) {
  const auto found = rows.find(completion.delivery_id);
  if (found == rows.end()) return false;
  Row& row = found->second;
  if (row.token != completion.lease_token || row.delivery.state != DeliveryState::leased) return false;
  if (completion.attempt) {
    if (completion.attempt->number != row.tries + 1) broken = "an attempt's number was skipped or used twice";
    row.tries = completion.attempt->number;
    row.delivery.attempt_count += completion.attempt->counted ? 1 : 0;
    row.attempts.push_back(*completion.attempt);
  }
  move_to(row, completion.next, completion.next_at, completion.reason);
  return true;
}

void FakeEventLog::make_due(DeliveryId id) {
  move_to(rows.at(id), DeliveryState::pending, clock_.now(), "retry_requested");
}

void FakeEventLog::complete(std::vector<Completion> completions,
                            std::function<void(Result<std::size_t>)> done) {
  if (refuse_completions_ > 0) {
    --refuse_completions_;
    return done(fail("store_busy", "The queue is full."));
  }
  Job job = [this, completions = std::move(completions), done = std::move(done)](Group& group) {
    std::size_t fenced_in = 0;
    for (const Completion& completion : completions) fenced_in += apply(completion) ? 1 : 0;
    fenced_out += completions.size() - fenced_in;
    group.after.push_back([done, fenced_in] { done(fenced_in); });
  };
  {
    const std::lock_guard lock(queue_mutex_);
    if (holding_) return held_.push_back(std::move(job));
  }
  enqueue(std::move(job));
}

void FakeEventLog::release_completions() {
  std::vector<Job> held;
  {
    const std::lock_guard lock(queue_mutex_);
    holding_ = false;
    held = std::exchange(held_, {});
  }
  for (Job& job : held) enqueue(std::move(job));
}

std::vector<DeliveryId> FakeEventLog::due(Time now, std::size_t limit,
                                          const std::vector<DestinationId>& except) const {
  std::vector<std::pair<Time, DeliveryId>> found;
  for (const auto& [destination, pending] : pending_) {
    if (std::find(except.begin(), except.end(), destination) != except.end()) continue;
    std::size_t room = limit;
    for (auto it = pending.begin(); it != pending.end() && it->first <= now && room > 0; ++it, --room) {
      found.push_back(*it);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<DeliveryId> ids;
  for (std::size_t i = 0; i < std::min(limit, found.size()); ++i) ids.push_back(found[i].second);
  return ids;
}

void FakeEventLog::claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) {
  enqueue([this, now, limit, except = std::move(except), done = std::move(done)](Group& group) {
    std::vector<LeasedDelivery> claimed;
    for (const DeliveryId& id : due(now, limit, except)) claimed.push_back(lease(rows.at(id)));
    ++claims;
    group.after.push_back([done, claimed] { done(claimed); });
  });
}

// Parked ones by age; pending ones by the time they are due.
std::vector<DeliveryId> FakeEventLog::waiting(DestinationId destination, Time now, std::size_t limit) {
  std::vector<DeliveryId> found;
  for (const DeliveryId& id : parked_[destination]) {
    if (found.size() == limit) break;
    found.push_back(id);
  }
  std::size_t room = limit;
  for (const auto& [due, id] : pending_[destination]) {
    if (due > now || room-- == 0) break;
    found.push_back(id);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > limit) found.resize(limit);
  return found;
}

void FakeEventLog::claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) {
  enqueue([this, destination, now, limit, done = std::move(done)](Group& group) {
    std::vector<LeasedDelivery> claimed;
    for (const DeliveryId& id : waiting(destination, now, std::min(limit, claim_at_most)))
      claimed.push_back(lease(rows.at(id)));
    ++claims;
    ++waiting_claims;
    largest_claim_limit = std::max(largest_claim_limit, limit);
    group.after.push_back([done, claimed] { done(claimed); });
  });
}

/// Of one key, as the real one: nothing while any of it is leased, then the oldest ones up to a gap.
std::size_t FakeEventLog::take_run(const HeadsWanted& wanted, const std::set<DeliveryId>& line,
                                   Heads& heads) {
  const auto state = [&](DeliveryId id) -> const Delivery& { return rows.at(id).delivery; };
  if (std::ranges::any_of(line, [&](DeliveryId id) { return state(id).state == DeliveryState::leased; }))
    return 0;
  std::size_t taken = 0;
  for (const DeliveryId id : line) {
    const bool due = state(id).state == DeliveryState::parked || state(id).next_at <= wanted.now;
    if (!due && taken == 0) heads.again = std::min(heads.again.value_or(Time::max()), state(id).next_at);
    if (!due || taken == wanted.run || heads.leased.size() == wanted.limit) break;
    heads.leased.push_back(lease(rows.at(id)));
    if (++taken == 1 && heads.leased.back().tries > 0) break;
  }
  return taken;
}

void FakeEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  enqueue([this, wanted, done = std::move(done)](Group& group) {
    auto heads = std::make_shared<Heads>();
    auto& lines = in_order_[wanted.destination];
    for (auto line = lines.upper_bound(wanted.after); line != lines.end(); ++line) {
      take_run(wanted, line->second, *heads);
      if (heads->leased.size() < wanted.limit) continue;
      heads->seen_to = line->first;
      break;
    }
    ++claims;
    ++head_claims;
    group.after.push_back([this, done, heads] {
      if (!heads->leased.empty() && before_heads_) std::exchange(before_heads_, {})();
      done(std::move(*heads));
    });
  });
}

void FakeEventLog::mark_started(std::vector<Started> started,
                                std::function<void(Result<std::vector<std::uint64_t>>)> done) {
  enqueue([this, started = std::move(started), done = std::move(done)](Group& group) {
    std::vector<std::uint64_t> marked;
    for (const Started& it : started) marked.push_back(it.lease_token);
    group.after.push_back([this, done, marked] {
      if (before_marked_) std::exchange(before_marked_, {})();
      done(marked);
    });
  });
}

void FakeEventLog::next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) {
  enqueue([this, now, done = std::move(done)](Group& group) {
    std::optional<Time> next;
    for (const auto& [destination, pending] : pending_) {
      const auto found = pending.lower_bound({now + Duration(1), DeliveryId{}});
      if (found != pending.end() && (!next || found->first < *next)) next = found->first;
    }
    group.after.push_back([done, next] { done(next); });
  });
}

void FakeEventLog::backlog(std::function<void(Result<std::vector<Backlog>>)> done) {
  enqueue([this, done = std::move(done)](Group& group) {
    std::vector<Backlog> all;
    for (const auto& [id, waiting] : waiting_) {
      Backlog entry{id};
      for (const DeliveryId& delivery : waiting) {
        ++(rows.at(delivery).delivery.state == DeliveryState::parked ? entry.parked : entry.pending);
      }
      if (!waiting.empty()) all.push_back(entry);
    }
    for (const auto& [id, lines] : in_order_) {
      if (lines.empty()) continue;
      const auto found = std::ranges::find(all, id, &Backlog::destination_id);
      Backlog& entry = found == all.end() ? all.emplace_back(Backlog{id}) : *found;
      entry.in_order = true;
    }
    group.after.push_back([done, all] { done(all); });
  });
}

Result<std::size_t> FakeEventLog::recover() {
  return 0;
}

void FakeEventLog::seed(const Delivery& delivery, std::shared_ptr<const Event> event, OrderKey order_key) {
  const std::lock_guard lock(board_.mutex);
  Row row;
  row.delivery = delivery;
  row.event = std::move(event);
  row.order_key = order_key;
  insert(std::move(row));
}

void FakeEventLog::interfere(std::function<void(FakeEventLog&)> deed) {
  enqueue([this, deed = std::move(deed)](Group&) { deed(*this); });
}

std::size_t FakeEventLog::in_state(DeliveryState state) const {
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](const auto& row) { return row.second.delivery.state == state; }));
}

}  // namespace postern::relay
