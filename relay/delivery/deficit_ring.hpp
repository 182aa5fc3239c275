#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>

namespace postern::relay {

/// Whose turn it is, by deficit round robin. `Node` has an `int credit`, owned by the ring. Pure.
///
/// A node served is charged what that cost, in turns; one that owes turns is passed over until it has paid
/// them. So what each gets in the long run is the same in cost, not in number. Each look at a node pays one
/// of its turns, so a decision takes as many looks as turns were charged for an earlier one: constant on
/// average.
template <class Node>
class DeficitRing {
 public:
  bool empty() const { return ring_.empty(); }
  std::size_t size() const { return ring_.size(); }

  void add(Node& node) { ring_.push_back(&node); }  ///< at the end; once only

  /// Stays in front until it is charged or dropped. Null when empty.
  Node* next() {
    while (!ring_.empty()) {
      Node& front = *ring_.front();
      if (ring_.size() == 1) front.credit = 1;  // owing nobody
      if (front.credit < 1) ++front.credit;
      if (front.credit >= 1) return &front;
      rotate();
    }
    return nullptr;
  }

  /// The front was served. It keeps what it owes when it leaves the ring, and has never more than one turn.
  void charge(int turns) {
    ring_.front()->credit -= turns;
    rotate();
  }
  void drop() { ring_.pop_front(); }  ///< the front leaves
  void remove(Node& node) { std::erase(ring_, &node); }

 private:
  void rotate() {
    ring_.push_back(ring_.front());
    ring_.pop_front();
  }

  std::deque<Node*> ring_;
};

}  // namespace postern::relay
