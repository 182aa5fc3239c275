#pragma once
#include <algorithm>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "tunnel-proto/messages.hpp"

namespace postern::agent {

/// The latest outcomes that the relay has acknowledged. A request for an attempt that is not above one of
/// them has been overtaken on its way: a relay that had lost its lease sent it, and what became of it is
/// known to nobody who could want it. It must not call the app. In memory; bounded: those go first of which
/// nothing was acknowledged for longest.
class Acknowledged {
 public:
  static constexpr std::size_t kMost = 10'000;
  explicit Acknowledged(std::size_t most = kMost) : most_(most) {}

  void add(std::span<const tunnel::ResultAck> acks) {
    for (const tunnel::ResultAck& ack : acks) add(ack);
  }
  /// All of them, the oldest first.
  std::vector<tunnel::ResultAck> latest() const { return {by_age_.begin(), by_age_.end()}; }
  bool covers(const tunnel::DeliverHead& head) const {
    const auto found = by_id_.find(head.delivery_id);
    return found != by_id_.end() && head.attempt <= found->second->attempt;
  }

 private:
  using Acks = std::list<tunnel::ResultAck>;  // oldest first

  void add(const tunnel::ResultAck& ack) {
    const auto [at, is_new] = by_id_.try_emplace(ack.delivery_id);
    if (!is_new) {
      at->second->attempt = std::max(at->second->attempt, ack.attempt);
      return by_age_.splice(by_age_.end(), by_age_, at->second);
    }
    at->second = by_age_.insert(by_age_.end(), ack);
    if (by_age_.size() <= most_) return;
    by_id_.erase(by_age_.front().delivery_id);
    by_age_.pop_front();
  }

  const std::size_t most_;
  Acks by_age_;
  std::unordered_map<DeliveryId, Acks::iterator> by_id_;
};

}  // namespace postern::agent
