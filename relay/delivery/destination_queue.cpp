#include "relay/delivery/destination_queue.hpp"

#include <algorithm>
#include <iterator>

namespace postern::relay {

namespace {

// In strict order one is sent at a time: a few in memory keep it busy, and most of them may go back.
constexpr std::size_t kOrderedClaim = 64;

}  // namespace

DestinationQueue::DestinationQueue(std::shared_ptr<const Destination> destination)
    : destination_(std::move(destination)), breaker_(destination_->breaker) {
  publish();
}

void DestinationQueue::configure(std::shared_ptr<const Destination> destination) {
  destination_ = std::move(destination);
  paced_until_.reset();  // the next start finds out what the new rate says
  publish();
}

void DestinationQueue::stop(QueueMode mode) {
  mode_ = mode;
  settling_ = false;
  ++epoch_;
}

void DestinationQueue::resume() {
  mode_ = QueueMode::draining;
  settling_ = true;
  if (knows_order()) heads_.ask();
  slow_start_.restart();
  ++epoch_;
  publish();
}

void DestinationQueue::drain() {
  mode_ = QueueMode::draining;
}

void DestinationQueue::handed_over(LeasedDelivery delivery) {
  if (settling_) {
    hold(std::move(delivery));
  } else {
    ready_.push_back(std::move(delivery));
  }
  publish();
}

void DestinationQueue::claimed(LeasedDelivery delivery) {
  if (settling_ && !held_.empty() && delivery.delivery.id > oldest_held_) {
    hold(std::move(delivery));
  } else {
    ready_.push_back(std::move(delivery));
  }
  publish();
}

void DestinationQueue::claimed_in_order(LeasedDelivery delivery) {
  if (auto first = lines_.enter(std::move(delivery))) ready_.push_back(std::move(*first));
  publish();
}

void DestinationQueue::ended_in_order(OrderKey key) {
  if (auto next = lines_.next(key)) ready_.push_back(std::move(*next));
  publish();
}

std::vector<LeasedDelivery> DestinationQueue::give_back_behind(OrderKey key) {
  auto behind = lines_.give_back(key);
  publish();
  return behind;
}

void DestinationQueue::hold(LeasedDelivery delivery) {
  const DeliveryId& id = delivery.delivery.id;
  if (held_.empty() || id < oldest_held_) oldest_held_ = id;
  held_.push_back(std::move(delivery));
}

bool DestinationQueue::runnable() const {
  return startable() && (!app_ || app_->has_room(app_turn_));
}

/// But for its app.
bool DestinationQueue::startable() const {
  return is_running(mode_) && !ready_.empty() && !paced_until_ && has_place();
}

void DestinationQueue::await_place() {
  if (app_turn_ != AppTurn::none || !app_ || app_->has_room(app_turn_) || !startable()) return;
  app_turn_ = AppTurn::waiting;
  app_->waiting.push_back(this);
}

void DestinationQueue::call() {
  app_->waiting.pop_front();
  app_turn_ = AppTurn::called;
  ++app_->called;
}

void DestinationQueue::uncall() {
  if (app_turn_ != AppTurn::called) return;
  app_turn_ = AppTurn::none;
  --app_->called;
}

void DestinationQueue::take_app_place() {
  uncall();
  ++app_->taken;
}

void DestinationQueue::leave_app_line() {
  uncall();
  if (app_turn_ == AppTurn::waiting) std::erase(app_->waiting, this);
  app_turn_ = AppTurn::none;
}

// Attempts from before the breaker opened may hang on while it probes: they take no probe's place.
bool DestinationQueue::has_place() const {
  if (breaker_.state() == BreakerState::closed) return in_flight_ < window();
  return breaker_.lets_through() && in_flight_ < destination_->concurrency;
}

LeasedDelivery DestinationQueue::take() {
  LeasedDelivery oldest = set_aside();
  if (oldest.order_key != kNoOrder) lines_.started(oldest.order_key);
  ++in_flight_;
  publish();
  return oldest;
}

LeasedDelivery DestinationQueue::set_aside() {
  LeasedDelivery oldest = std::move(ready_.front());
  ready_.pop_front();
  publish();
  return oldest;
}

std::size_t DestinationQueue::next_bytes() const {
  return memory_cost(ready_.front());
}

// Probes are few, and one at a time on its schedule cannot multiply: neither needs a budget.
bool DestinationQueue::next_may_wait() const {
  return ready_.front().delivery.attempt_count > 0 && breaker_.state() == BreakerState::closed &&
         !in_strict_order();
}

BudgetShare DestinationQueue::next_share() const {
  const LeasedDelivery& next = ready_.front();
  if (next.delivery.attempt_count == 0) return next.tries == 0 ? BudgetShare::earns : BudgetShare::none;
  return next_may_wait() ? BudgetShare::costs : BudgetShare::none;
}

std::optional<Duration> DestinationQueue::charge_budget(SteadyTime now) {
  const BudgetShare share = next_share();
  if (share == BudgetShare::earns) budget_.earn(now);
  if (share != BudgetShare::costs || budget_.take(now)) return std::nullopt;
  return budget_.come_back(now);
}

void DestinationQueue::undo_charge(BudgetShare share) {
  if (share == BudgetShare::earns) budget_.unearn();
  if (share == BudgetShare::costs) budget_.give_back();
}

void DestinationQueue::tick(SteadyTime now) {
  if (paced_until_ && *paced_until_ <= now) paced_until_.reset();
}

std::optional<Time> DestinationQueue::wakes_at() const {
  const bool waits = mode_ == QueueMode::broken && breaker_.state() == BreakerState::open;
  if (waits) return breaker_.snapshot().probe_at;
  return is_running(mode_) ? heads_.asked_at() : std::nullopt;
}

void DestinationQueue::publish_breaker(Time now) {
  const BreakerSnapshot& state = breaker_.snapshot();
  const Breaker::Counts counts = breaker_.counts(now);
  constexpr auto relaxed = std::memory_order_relaxed;
  gauges_->breaker_state.store(static_cast<int>(state.state), relaxed);
  gauges_->breaker_since.store(to_micros(state.since), relaxed);
  gauges_->breaker_probe_at.store(to_micros(state.probe_at), relaxed);
  gauges_->breaker_attempts.store(counts.attempts, relaxed);
  gauges_->breaker_failures.store(counts.failures, relaxed);
  gauges_->breaker_in_a_row.store(counts.in_a_row, relaxed);
}

void DestinationQueue::finished(bool healthy) {
  --in_flight_;
  slow_start_.answered(healthy, destination_->concurrency);
  settle_pace();
  publish();
}

void DestinationQueue::did_not_begin() {
  --in_flight_;
  paced_until_.reset();  // its part of the rate has been given back
  settle_pace();
  publish();
}

std::vector<LeasedDelivery> DestinationQueue::give_up() {
  std::vector<LeasedDelivery> all(std::make_move_iterator(ready_.begin()),
                                  std::make_move_iterator(ready_.end()));
  std::move(held_.begin(), held_.end(), std::back_inserter(all));
  std::ranges::move(lines_.give_up(), std::back_inserter(all));
  ready_.clear();
  held_.clear();
  publish();
  return all;
}

bool DestinationQueue::wants_claim(std::size_t batch) const {
  const bool behind = mode_ == QueueMode::draining || (mode_ == QueueMode::direct && settling_);
  if (!behind || cold || claiming_ || returning_ > 0) return false;
  return ready_.size() < claim_size(batch);
}

// What may not start soon is not fetched: it would only hold memory, and go back when the next one fails.
std::size_t DestinationQueue::claim_size(std::size_t batch) const {
  return breaker_.state() == BreakerState::closed ? batch
                                                  : std::min<std::size_t>(batch, breaker_.probes_left());
}

// In strict order nothing more can be there for it while it has some: the store gives a key to one at a time.
// What is in no order does not count: under a burst of it nothing in order would ever be fetched.
bool DestinationQueue::wants_heads(std::size_t batch) const {
  if (!is_running(mode_) || !heads_.wanted()) return false;
  if (in_strict_order() && lines_.holds(kWholeDestination)) return false;
  return lines_.unstarted() < heads_size(batch);
}

std::size_t DestinationQueue::heads_size(std::size_t batch) const {
  return claim_size(in_strict_order() ? std::min(batch, kOrderedClaim) : batch);
}

// Enough keys to start as many at once as it may.
std::size_t DestinationQueue::run_length(std::size_t size) const {
  return in_strict_order() ? size : std::max<std::size_t>(size / std::max(destination_->concurrency, 1U), 1);
}

bool DestinationQueue::claim_ended(bool came_back_short, std::optional<DeliveryId> newest) {
  claiming_ = false;
  if (claim_missed_some_) return false;
  // The store gives the oldest first: once it gave a newer one than those held, it holds none that is older.
  const bool passed_held = newest && !held_.empty() && *newest > oldest_held_;
  if (settling_ && (came_back_short || passed_held)) release_held();
  if (!came_back_short) return false;
  settle_pace();
  publish();
  return mode_ == QueueMode::draining;
}

void DestinationQueue::opened(bool settling) {
  mode_ = QueueMode::direct;
  settling_ = settling;
  settle_pace();
  publish();
}

// Sorted, because those held came by several ways.
void DestinationQueue::release_held() {
  settling_ = false;
  if (held_.empty()) return;
  std::move(held_.begin(), held_.end(), std::back_inserter(ready_));
  held_.clear();
  std::sort(ready_.begin(), ready_.end(),
            [](const auto& a, const auto& b) { return a.delivery.id < b.delivery.id; });
}

// A queue that has run dry has no backlog left to keep in order, and an app that kept up needs no more
// caution: a slow app whose agent blinked would otherwise crawl through kOneByOne answers one by one.
void DestinationQueue::settle_pace() {
  if (mode_ == QueueMode::direct && !settling_ && waiting() == 0 && in_flight_ == 0) slow_start_.open();
}

void DestinationQueue::publish() {
  gauges_->waiting.store(waiting(), std::memory_order_relaxed);
  gauges_->in_flight.store(in_flight_, std::memory_order_relaxed);
  gauges_->window.store(window(), std::memory_order_relaxed);
}

}  // namespace postern::relay
