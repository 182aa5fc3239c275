#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>

#include "tunnel-proto/messages.hpp"

namespace postern::agent {

/// The latest outcomes that the relay has acknowledged. A request for an attempt that is not above one of
/// them has been overtaken on its way: a relay that had lost its lease sent it, and what became of it is
/// known to nobody who could want it. It must not call the app. In memory; bounded, the oldest go first.
class Acknowledged {
 public:
  explicit Acknowledged(std::size_t most = 10'000) : most_(most) {}

  void add(std::span<const tunnel::ResultAck> acks) {
    for (const tunnel::ResultAck& ack : acks) {
      const auto [at, is_new] = attempts_.try_emplace(ack.delivery_id, ack.attempt);
      at->second = std::max(at->second, ack.attempt);
      if (is_new) by_age_.push_back(ack.delivery_id);
    }
    for (; by_age_.size() > most_; by_age_.pop_front()) attempts_.erase(by_age_.front());
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
