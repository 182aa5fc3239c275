#pragma once
#include <deque>

#include "relay/delivery/destination_queue.hpp"

namespace postern::relay {

/// Whose turn it is: one delivery each, round and round, over the destinations that have something to start.
/// Pure.
///
/// All share `most` attempts in flight. As with leases, a destination may have no more in flight than are
/// still free, so that many that never answer can't take the last slot from one that does.
class FairRing {
 public:
  explicit FairRing(unsigned most) : most_(most) {}

  /// Call after anything that may have made it runnable. A queue already listed stays where it is.
  void add(DestinationQueue& queue) {
    if (queue.in_ring || !queue.runnable()) return;
    queue.in_ring = true;
    ring_.push_back(&queue);
  }

  /// The next to take() one from, or null. It goes to the end of the ring when it has more.
  DestinationQueue* next() {
    while (!ring_.empty() && in_flight_ < most_) {
      DestinationQueue* queue = ring_.front();
      ring_.pop_front();
      if (!queue->runnable()) {
        queue->in_ring = false;
        continue;
      }
      if (queue->in_flight() > 0 && queue->in_flight() >= most_ - in_flight_) {
        over_share_.push_back(queue);
        continue;
      }
      return queue;
    }
    return nullptr;
  }
  /// After take().
  void taken(DestinationQueue& queue) {
    ++in_flight_;
    queue.in_ring = queue.runnable();
    if (queue.in_ring) ring_.push_back(&queue);
  }
  /// After finished().
  void freed(DestinationQueue& queue) {
    --in_flight_;
    add(queue);
  }
  /// Those set aside for holding their share may try again. Once a turn, not once a delivery.
  void retry_over_share() {
    for (DestinationQueue* queue : over_share_) ring_.push_back(queue);
    over_share_.clear();
  }
  /// Before the queue is forgotten.
  void remove(DestinationQueue& queue) {
    std::erase(ring_, &queue);
    std::erase(over_share_, &queue);
    queue.in_ring = false;
  }

  unsigned in_flight() const { return in_flight_; }

 private:
  const unsigned most_;
  unsigned in_flight_ = 0;
  std::deque<DestinationQueue*> ring_;
  std::deque<DestinationQueue*> over_share_;
};

}  // namespace postern::relay
