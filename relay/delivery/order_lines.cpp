#include "relay/delivery/order_lines.hpp"

#include <iterator>

namespace postern::relay {

std::optional<LeasedDelivery> OrderLines::enter(LeasedDelivery delivery) {
  const auto [line, first] = lines_.try_emplace(delivery.order_key);
  if (first) return delivery;
  line->second.behind.push_back(std::move(delivery));
  ++waiting_;
  return std::nullopt;
}

void OrderLines::started(OrderKey key) {
  const auto line = lines_.find(key);
  if (line != lines_.end()) line->second.started = true;
}

std::optional<LeasedDelivery> OrderLines::next(OrderKey key) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return std::nullopt;
  if (line->second.behind.empty()) {
    lines_.erase(line);
    return std::nullopt;
  }
  LeasedDelivery next = std::move(line->second.behind.front());
  line->second.behind.pop_front();
  line->second.started = false;
  --waiting_;
  return next;
}

std::vector<LeasedDelivery> OrderLines::give_back(OrderKey key) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return {};
  auto& behind = line->second.behind;
  std::vector<LeasedDelivery> all(std::make_move_iterator(behind.begin()),
                                  std::make_move_iterator(behind.end()));
  lines_.erase(line);
  waiting_ -= all.size();
  return all;
}

std::vector<LeasedDelivery> OrderLines::give_up() {
  std::vector<LeasedDelivery> all;
  for (auto line = lines_.begin(); line != lines_.end();) {
    auto& behind = line->second.behind;
    std::move(behind.begin(), behind.end(), std::back_inserter(all));
    behind.clear();
    line = line->second.started ? std::next(line) : lines_.erase(line);
  }
  waiting_ = 0;
  return all;
}

}  // namespace postern::relay
