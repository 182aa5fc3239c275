#pragma once
#include <algorithm>
#include <optional>

#include "relay/model.hpp"
#include "relay/order_key.hpp"

namespace postern::relay {

/// What both engines count while they look along the order keys of a destination. Pure.
class HeadLook {
 public:
  /// Keys of which nothing may be taken cost a look each: with very many, it is spread over several claims of
  /// `keys_most`.
  HeadLook(std::size_t limit, std::size_t keys_most) : room_(limit), keys_most_(keys_most) {}

  bool wants_more() const { return room_ > 0 && looked_ < keys_most_; }
  std::size_t room() const { return room_; }
  /// A key was looked at, and so many of it were taken.
  void looked(OrderKey key, std::size_t taken) {
    ++looked_;
    if (taken == 0) ++passed_;
    room_ -= std::min(room_, taken);
    last_ = key;
  }
  void may_be_free_at(Time at) { again_ = again_ ? std::min(*again_, at) : at; }

  std::size_t passed() const { return passed_; }
  OrderKey last() const { return last_; }
  std::optional<Time> again() const { return again_; }

 private:
  std::size_t room_;
  const std::size_t keys_most_;
  std::size_t looked_ = 0;
  std::size_t passed_ = 0;
  OrderKey last_ = kNoOrder;
  std::optional<Time> again_;
};

}  // namespace postern::relay
