#pragma once
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Who goes one after the other at one destination: of each order key the first is out, which is with the
/// queue or under way, and those behind it wait here. Pure; one thread. Only for deliveries that have a key.
class OrderLines {
 public:
  /// Given back when it is the first of its key: it is out from now on. Otherwise it waits here.
  std::optional<LeasedDelivery> enter(LeasedDelivery delivery);
  /// The first one of the key is under way.
  void started(OrderKey key);
  /// The first one has ended for good. The next one is out now; without one the key is free.
  std::optional<LeasedDelivery> next(OrderKey key);
  /// The first one goes back to the store, so those behind it must. The key is free.
  std::vector<LeasedDelivery> give_back(OrderKey key);
  /// All that wait here. Keys are free but for those that have one under way.
  std::vector<LeasedDelivery> give_up();

  bool holds(OrderKey key) const { return lines_.contains(key); }
  std::size_t waiting() const { return waiting_; }
  /// Those that wait here, and of those out the ones not under way.
  std::size_t unstarted() const { return waiting_ + lines_.size() - started_; }

 private:
  struct Line {
    bool started = false;
    std::deque<LeasedDelivery> behind;
  };
  void mark(Line& line, bool started);

  std::unordered_map<OrderKey, Line> lines_;
  std::size_t waiting_ = 0;
  std::size_t started_ = 0;  ///< lines whose first one is under way
};

}  // namespace postern::relay
