#pragma once
#include <algorithm>
#include <optional>

#include "relay/model.hpp"
#include "relay/order_key.hpp"

namespace postern::relay {

/// What both engines count while they look along the order keys of a destination. Pure.
class HeadLook {
 public:
  /// Keys of which nothing may be taken cost a look each: with very many, it is spread over several claims.
  static constexpr std::size_t kKeysMost = 2'000;

  explicit HeadLook(std::size_t limit) : room_(limit) {}

  bool wants_more() const { return room_ > 0 && looked_ < kKeysMost; }
  std::size_t room() const { return room_; }
  /// A key was looked at, and so many of it were taken.
  void looked(OrderKey key, std::size_t taken) {
    ++looked_;
    room_ -= std::min(room_, taken);
    last_ = key;
  }
  void may_be_free_at(Time at) { again_ = again_ ? std::min(*again_, at) : at; }

  OrderKey last() const { return last_; }
  std::optional<Time> again() const { return again_; }

 private:
  std::size_t room_;
  std::size_t looked_ = 0;
  OrderKey last_ = kNoOrder;
  std::optional<Time> again_;
};

}  // namespace postern::relay
