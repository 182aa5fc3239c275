#include "tests/simulation/event_log.hpp"

#include <algorithm>

namespace postern::simulation {

using relay::DeliveryState;
using relay::LeasedDelivery;

namespace {

Error busy() {
  return {"store_busy", "The queue is full."};
}

}  // namespace

SimulatedEventLog::SimulatedEventLog(Scheduler& scheduler, Machine& machine, SimulatedStore& store,
                                     const Clock& clock)
    : scheduler_(scheduler), machine_(machine), store_(store), clock_(clock) {}

SimulatedEventLog::Fate SimulatedEventLog::fate() {
  const auto dice = scheduler_.below(200);
  return dice == 0 ? Fate::refused : dice == 1 ? Fate::answer_lost : Fate::done;
}

Duration SimulatedEventLog::some_time() {
  return scheduler_.between(0, scheduler_.chance(5) ? 500 : 8);
}

/// The store is another computer: it does not sleep when this one does.
void SimulatedEventLog::begin(Commit commit, bool late) {
  const std::uint64_t number = ++last_;
  under_way_[number] = {std::move(commit), late};
  scheduler_.after(some_time(), [self = shared_from_this(), number] {
    auto found = self->under_way_.extract(number);
    if (found) found.mapped().commit();
  });
}

void SimulatedEventLog::reply(std::function<void()> tell) {
  if (dead_) return;
  ++on_the_way_;
  machine_.after(some_time(), [self = shared_from_this(), tell = std::move(tell)] {
    --self->on_the_way_;
    if (!self->dead_) tell();
  });
}

template <class T, class Make>
void SimulatedEventLog::ask(std::function<void(Result<T>)> done, Make make) {
  if (fate() != Fate::done) return reply([done] { done(std::unexpected(busy())); });
  begin([this, done, make] { reply([done, answer = make()] { done(answer); }); }, false);
}

Result<std::size_t> SimulatedEventLog::recover() {
  node_ = store_.join();
  return store_.release_dead(clock_.now());
}

void SimulatedEventLog::append(relay::NewEvent event, boost::asio::any_io_executor, AppendDone done) {
  if (fate() != Fate::done) return reply([done] { done(std::unexpected(busy())); });
  const auto it = std::make_shared<Appending>(Appending{std::move(event), std::move(done), node_});
  begin([this, it] { admit(it); }, false);
}

/// As AppendGroup does it: admitted first, leased by the number that counts then, committed in another round
/// trip.
void SimulatedEventLog::admit(const AppendingPtr& it) {
  if (dead_) return;
  const relay::Event& event = *it->event.event;
  if (store_.holds(event.dedupe_key))
    return reply([it] { it->done(relay::Appended{it->event.event->id, true}); });
  for (const auto& wanted : it->event.deliveries) it->admissions.push_back(intake_->admit(wanted, event));
  it->node = node_;
  it->number = ++admitted_;
  uncommitted_.insert(it->number);
  begin([this, it] { commit(it); }, false);
}

/// When its process has just died, it may be committed all the same.
void SimulatedEventLog::commit(const AppendingPtr& it) {
  uncommitted_.erase(it->number);
  const bool repeated = store_.holds(it->event.event->dedupe_key);
  if (repeated || scheduler_.below(100) == 0) return withdraw(it);
  store_.insert(it->node, it->event, it->admissions, clock_.now());
  if (!dead_) hand_over(it);
}

void SimulatedEventLog::withdraw(const AppendingPtr& it) {
  if (dead_) return;
  for (std::size_t i = 0; i < it->admissions.size(); ++i) {
    if (it->admissions[i].state == DeliveryState::leased)
      intake_->not_committed(it->event.deliveries[i], *it->event.event);
  }
  reply([it] { it->done(std::unexpected(busy())); });
}

void SimulatedEventLog::hand_over(const AppendingPtr& it) {
  std::vector<LeasedDelivery> leased;
  for (std::size_t i = 0; i < it->admissions.size(); ++i) {
    if (it->admissions[i].state != DeliveryState::leased) continue;
    leased.push_back(store_.leased(it->event.deliveries[i].id));
    leased.back().term = it->admissions[i].term;
  }
  reply([this, it, leased = std::move(leased)] {
    if (!leased.empty()) intake_->handed_over(leased);
    if (leased.size() < it->admissions.size()) intake_->wake();
    it->done(relay::Appended{it->event.event->id, false});
  });
}

/// PostgresEventLog::settle_appends()
void SimulatedEventLog::after_appends(std::uint64_t number, Commit what) {
  if (dead_) return;
  if (uncommitted_.empty() || *uncommitted_.begin() > number) return what();
  begin([this, number, what = std::move(what)] { after_appends(number, what); }, false);
}

/// One whose answer is lost is recorded again, as often as it takes.
void SimulatedEventLog::complete(std::vector<relay::Completion> completions,
                                 std::function<void(Result<std::size_t>)> done) {
  for (const auto& it : completions) working_[it.lease_token] = it.delivery_id;
  const Fate what = fate();
  if (what == Fate::refused) return reply([done] { done(std::unexpected(busy())); });
  begin(
      [this, completions = std::move(completions), done, again = what == Fate::answer_lost] {
        std::size_t fenced_in = store_.complete(completions);
        if (again) fenced_in = store_.complete(completions);
        reply([this, completions, done, fenced_in] {
          for (const auto& it : completions) working_.erase(it.lease_token);
          done(fenced_in);
        });
      },
      true);
}

void SimulatedEventLog::mark_started(std::vector<Started> started,
                                     std::function<void(Result<std::vector<std::uint64_t>>)> done) {
  ask(std::move(done), [this, started = std::move(started)] { return store_.mark_started(started); });
}

/// Until the server's process of that connection has ended.
void SimulatedEventLog::doubt(std::vector<LeasedDelivery> claimed) {
  ++in_doubt_;
  scheduler_.after(scheduler_.between(10, 3000), [self = shared_from_this(), claimed = std::move(claimed)] {
    --self->in_doubt_;
    self->store_.release(claimed, self->scheduler_.wall());
  });
}

/// One whose answer is lost has leased what nobody knows of: it is looked after.
void SimulatedEventLog::claim(Claimed done, Claim make) {
  const Fate what = fate();
  if (what == Fate::refused) return reply([done] { done(std::unexpected(busy())); });
  const auto take = [this, done, make = std::move(make), lost = what == Fate::answer_lost] {
    if (!joined_) return reply([done] { done(std::unexpected(busy())); });
    auto claimed = make(node_);
    if (!lost) return reply([done, claimed = std::move(claimed)] { done(claimed); });
    doubt(std::move(claimed));
    reply([done] { done(std::unexpected(busy())); });
  };
  begin([this, take, before = admitted_] { after_appends(before, take); }, false);
}

void SimulatedEventLog::claim_due(Time now, std::size_t limit, std::vector<DestinationId> except,
                                  Claimed done) {
  claim(std::move(done), [this, now, limit, except = std::move(except)](int node) {
    return store_.claim_due(node, now, limit, except);
  });
}

void SimulatedEventLog::claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) {
  claim(std::move(done), [=, this](int node) { return store_.claim_waiting(node, destination, now, limit); });
}

void SimulatedEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  if (fate() != Fate::done) return reply([done] { done(std::unexpected(busy())); });
  const auto look = [this, wanted, done] {
    if (!joined_) return reply([done] { done(std::unexpected(busy())); });
    reply([done, heads = store_.claim_heads(node_, wanted)] { done(heads); });
  };
  begin([this, look, before = admitted_] { after_appends(before, look); }, false);
}

void SimulatedEventLog::next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) {
  ask(std::move(done), [this, now] { return store_.next_due(now); });
}

void SimulatedEventLog::backlog(std::function<void(Result<std::vector<Backlog>>)> done) {
  ask(std::move(done), [this] { return store_.backlog(); });
}

/// Others go on with what it had. It hears of it a while later, and knows by its own clock before, or does
/// not: one that slept has not seen the time pass.
void SimulatedEventLog::lose_leases() {
  if (dead_ || std::exchange(lost_, true)) return;
  knows_ = scheduler_.chance(50);
  store_.bury();
  store_.release_dead(scheduler_.wall());
  if (!std::exchange(looks_, true)) others_look();
  machine_.after(scheduler_.between(0, 3000), [self = shared_from_this()] { self->find_out(); });
}

/// As NodeLeases does it: it is told once it has another number.
void SimulatedEventLog::find_out() {
  knows_ = true;
  joined_ = false;
  machine_.after(some_time(), [self = shared_from_this()] { self->join_again(); });
}

void SimulatedEventLog::join_again() {
  if (dead_) return;
  node_ = store_.join();
  intake_->leases_lost();
  told_at_ = scheduler_.now();
  lost_ = knows_ = false;
  joined_ = true;
}

/// What it leases under a number that is gone is released by the heartbeats of the others.
void SimulatedEventLog::others_look() {
  if (dead_) return;
  store_.release_dead(scheduler_.wall());
  scheduler_.after(scheduler_.between(500, 3000), [self = shared_from_this()] { self->others_look(); });
}

bool SimulatedEventLog::settled() const {
  const auto stray = [this](const auto& it) { return store_.holder(it.second, it.first) != node_; };
  return under_way_.empty() && on_the_way_ == 0 && in_doubt_ == 0 && !lost_ &&
         std::ranges::none_of(working_, stray);
}

bool SimulatedEventLog::works_on(DestinationId destination) const {
  return std::ranges::any_of(working_, [&](const auto& it) {
    return store_.rows().at(it.second).delivery.destination_id == destination;
  });
}

void SimulatedEventLog::die() {
  dead_ = true;
  for (auto& [number, it] : std::exchange(under_way_, {})) {
    const auto dice = scheduler_.below(3);
    if (dice == 0) it.commit();
    if (dice == 1 && it.late)
      scheduler_.after(scheduler_.between(0, 5000),
                       [self = shared_from_this(), commit = std::move(it.commit)] { commit(); });
  }
}

}  // namespace postern::simulation
