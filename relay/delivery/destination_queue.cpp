#include "relay/delivery/destination_queue.hpp"

#include <algorithm>
#include <iterator>

namespace postern::relay {

std::string_view to_text(QueueMode mode) {
  switch (mode) {
    case QueueMode::direct:
      return "direct";
    case QueueMode::draining:
      return "draining";
    case QueueMode::away:
      return "away";
    case QueueMode::disabled:
      return "disabled";
  }
  return "unknown";
}

DestinationQueue::DestinationQueue(std::shared_ptr<const Destination> destination)
    : destination_(std::move(destination)) {
  publish();
}

void DestinationQueue::configure(std::shared_ptr<const Destination> destination) {
  destination_ = std::move(destination);
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

void DestinationQueue::hold(LeasedDelivery delivery) {
  const DeliveryId& id = delivery.delivery.id;
  if (held_.empty() || id < oldest_held_) oldest_held_ = id;
  held_.push_back(std::move(delivery));
}

bool DestinationQueue::runnable() const {
  const bool running = mode_ == QueueMode::direct || mode_ == QueueMode::draining;
  return running && !ready_.empty() && in_flight_ < window();
}

LeasedDelivery DestinationQueue::take() {
  LeasedDelivery oldest = std::move(ready_.front());
  ready_.pop_front();
  ++in_flight_;
  publish();
  return oldest;
}

void DestinationQueue::finished(bool healthy) {
  --in_flight_;
  slow_start_.answered(healthy, destination_->concurrency);
  settle_pace();
  publish();
}

std::vector<LeasedDelivery> DestinationQueue::give_up() {
  std::vector<LeasedDelivery> all(std::make_move_iterator(ready_.begin()),
                                  std::make_move_iterator(ready_.end()));
  std::move(held_.begin(), held_.end(), std::back_inserter(all));
  ready_.clear();
  held_.clear();
  publish();
  return all;
}

bool DestinationQueue::wants_claim(std::size_t refill_below) const {
  const bool behind = mode_ == QueueMode::draining || (mode_ == QueueMode::direct && settling_);
  return behind && !cold && !claiming_ && returning_ == 0 && ready_.size() < refill_below;
}

bool DestinationQueue::claim_ended(bool came_back_short, std::optional<DeliveryId> newest) {
  claiming_ = false;
  if (claim_missed_some_) return false;
  // The store gives the oldest first: once it gave a newer one than those held, it holds none that is older.
  const bool passed_held = newest && !held_.empty() && *newest > oldest_held_;
  if (settling_ && (came_back_short || passed_held)) release_held();
  if (!came_back_short) return false;
  settle_pace();
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
