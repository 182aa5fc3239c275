#include "tests/simulation/event_log.hpp"

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

void SimulatedEventLog::append(relay::NewEvent event, boost::asio::any_io_executor, AppendDone done) {
  if (fate() != Fate::done) return reply([done] { done(std::unexpected(busy())); });
  begin([this, event = std::move(event), done] { commit_event(event, done); }, false);
}

void SimulatedEventLog::commit_event(const relay::NewEvent& event, const AppendDone& done) {
  if (dead_) return;
  const EventId id = event.event->id;
  if (store_.holds(event.event->dedupe_key)) return reply([done, id] { done(relay::Appended{id, true}); });
  std::vector<relay::Admission> admissions;
  for (const auto& it : event.deliveries) admissions.push_back(intake_->admit(it, *event.event));
  std::vector<LeasedDelivery> leased;
  const bool fails = scheduler_.below(100) == 0;
  if (!fails) store_.insert(event, admissions, clock_.now());
  for (std::size_t i = 0; i < admissions.size(); ++i) {
    if (admissions[i].state != DeliveryState::leased) continue;
    if (fails) intake_->not_committed(event.deliveries[i], *event.event);
    if (!fails) leased.push_back(store_.leased(event.deliveries[i].id));
    if (!fails) leased.back().term = admissions[i].term;
  }
  if (fails) return reply([done] { done(std::unexpected(busy())); });
  reply([this, done, id, leased = std::move(leased), wakes = leased.size() < admissions.size()] {
    if (!leased.empty()) intake_->handed_over(leased);
    if (wakes) intake_->wake();
    done(relay::Appended{id, false});
  });
}

/// One whose answer is lost is recorded again, as often as it takes.
void SimulatedEventLog::complete(std::vector<relay::Completion> completions,
                                 std::function<void(Result<std::size_t>)> done) {
  const Fate what = fate();
  if (what == Fate::refused) return reply([done] { done(std::unexpected(busy())); });
  begin(
      [this, completions = std::move(completions), done, again = what == Fate::answer_lost] {
        std::size_t fenced_in = store_.complete(completions);
        if (again) fenced_in = store_.complete(completions);
        reply([done, fenced_in] { done(fenced_in); });
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
void SimulatedEventLog::claim(Claimed done, std::function<std::vector<LeasedDelivery>()> make) {
  const Fate what = fate();
  if (what == Fate::refused) return reply([done] { done(std::unexpected(busy())); });
  begin(
      [this, done, make = std::move(make), lost = what == Fate::answer_lost] {
        auto claimed = make();
        if (!lost) return reply([done, claimed = std::move(claimed)] { done(claimed); });
        doubt(std::move(claimed));
        reply([done] { done(std::unexpected(busy())); });
      },
      false);
}

void SimulatedEventLog::claim_due(Time now, std::size_t limit, std::vector<DestinationId> except,
                                  Claimed done) {
  claim(std::move(done),
        [this, now, limit, except = std::move(except)] { return store_.claim_due(now, limit, except); });
}

void SimulatedEventLog::claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) {
  claim(std::move(done), [=, this] { return store_.claim_waiting(destination, now, limit); });
}

void SimulatedEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  ask(std::move(done), [this, wanted] { return store_.claim_heads(wanted); });
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
  store_.release_all(scheduler_.wall());
  machine_.after(scheduler_.between(0, 3000), [self = shared_from_this()] { self->told_of_loss(); });
}

void SimulatedEventLog::told_of_loss() {
  if (dead_) return;
  store_.release_all(scheduler_.wall());  // what it leased meanwhile, under a name that was gone
  lost_ = false;
  told_at_ = scheduler_.now();
  intake_->leases_lost();
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
