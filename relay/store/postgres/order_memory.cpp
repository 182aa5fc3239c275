#include "relay/store/postgres/order_memory.hpp"

#include <algorithm>
#include <numeric>

namespace postern::relay {

std::optional<std::string_view> OrderMemory::seen() const {
  return known_ ? std::optional<std::string_view>(known_->seen) : std::nullopt;
}

void OrderMemory::news(const std::vector<OpenKey>& stored, std::string now) {
  now_ = std::move(now);
  if (!known_) return;
  if (stored.size() > kNewsMost) return known_.reset();
  for (const OpenKey& open : stored) {
    DeliveryId& from = known_->keys.try_emplace(open.key, open.from).first->second;
    from = std::min(from, open.from);
  }
  if (known_->keys.size() > kKeysMost) return known_.reset();
  known_->seen = now_;
}

OrderMemory::Look OrderMemory::begin(OrderKey after, SteadyTime now) {
  walking_ = std::exchange(walk_, std::nullopt);
  if (after == kNoOrder) {
    walking_.reset();
    if (known_ && now < walk_at_) return Look::guided;
    walking_ = Known{.keys = {}, .seen = now_};
    walk_at_ = now + kWalkEvery;
    return Look::walk;
  }
  if (walking_ && walking_->walked_to == after) return Look::walk;
  walking_.reset();
  return known_ ? Look::guided : Look::walk;
}

std::vector<OpenKey> OrderMemory::behind(OrderKey after, std::size_t most) const {
  std::vector<OpenKey> keys;
  if (!known_) return keys;
  for (auto it = known_->keys.upper_bound(after); it != known_->keys.end() && keys.size() < most; ++it)
    keys.push_back({it->first, it->second});
  return keys;
}

void OrderMemory::found(const OpenKey& open) {
  if (known_) known_->keys.insert_or_assign(open.key, open.from);
}

void OrderMemory::over(OrderKey key) {
  if (known_) known_->keys.erase(key);
}

void OrderMemory::walked(const std::vector<OpenKey>& open, bool to_the_end) {
  std::optional<Known> walk = std::exchange(walking_, std::nullopt);
  if (!walk) return;
  for (const OpenKey& it : open) walk->keys.insert_or_assign(it.key, it.from);
  if (walk->keys.size() > kKeysMost) return;
  if (!open.empty()) walk->walked_to = open.back().key;
  if (!to_the_end) {
    walk_ = std::move(walk);
  } else if (known_) {
    add_to_known(walk->keys);
  } else {
    known_ = std::move(walk);
  }
}

/// What is known is as good as the walk and has seen more since: both are lower bounds.
void OrderMemory::add_to_known(const std::map<OrderKey, DeliveryId>& walked) {
  for (const auto& [key, from] : walked) {
    const auto [place, is_new] = known_->keys.try_emplace(key, from);
    if (!is_new) place->second = std::min(place->second, from);
  }
  if (known_->keys.size() > kKeysMost) known_.reset();
}

void OrderMemory::walk_took(Duration time) {
  walk_at_ += time * kWalkShare;
}

OrderMemory& OrderMemories::of(DestinationId destination, std::uint64_t connection) {
  if (connection != std::exchange(connection_, connection)) {
    recent_.clear();
    at_.clear();
  }
  if (const auto found = at_.find(destination); found != at_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
  } else {
    recent_.emplace_front(destination, OrderMemory());
    at_.emplace(destination, recent_.begin());
  }
  make_room();
  return recent_.front().second;
}

void OrderMemories::make_room() {
  std::size_t keys = std::accumulate(recent_.begin(), recent_.end(), std::size_t{0},
                                     [](std::size_t sum, const Entry& it) { return sum + it.second.keys(); });
  while (recent_.size() > 1 && (recent_.size() > bounds_.destinations || keys > bounds_.keys)) {
    keys -= recent_.back().second.keys();
    at_.erase(recent_.back().first);
    recent_.pop_back();
  }
}

}  // namespace postern::relay
