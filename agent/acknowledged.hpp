#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "tunnel-proto/messages.hpp"

namespace postern::agent {

/// The latest outcomes that the relay has acknowledged. A request for an attempt that is not above one of
/// them has been overtaken on its way: a relay that had lost its lease sent it, and what became of it is
/// known to nobody who could want it. It must not call the app. In memory; bounded, the oldest go first.
class Acknowledged {
 public:
  static constexpr std::size_t kMost = 10'000;
  explicit Acknowledged(std::size_t most = kMost) : most_(most) {}

  void add(std::span<const tunnel::ResultAck> acks) {
    for (const tunnel::ResultAck& ack : acks) {
      const auto [at, is_new] = attempts_.try_emplace(ack.delivery_id, ack.attempt);
      at->second = std::max(at->second, ack.attempt);
      if (is_new) by_age_.push_back(ack.delivery_id);
    }
    for (; by_age_.size() > most_; by_age_.pop_front()) attempts_.erase(by_age_.front());
  }
  /// All of them, the oldest first.
  std::vector<tunnel::ResultAck> latest() const {
    std::vector<tunnel::ResultAck> acks;
    acks.reserve(by_age_.size());
    for (const DeliveryId& id : by_age_) acks.push_back({id, attempts_.at(id)});
    return acks;
  }
  bool covers(const tunnel::DeliverHead& head) const {
    const auto found = attempts_.find(head.delivery_id);
    return found != attempts_.end() && head.attempt <= found->second;
  }

 private:
  const std::size_t most_;
  std::unordered_map<DeliveryId, std::uint32_t> attempts_;
  std::deque<DeliveryId> by_age_;
};

}  // namespace postern::agent
