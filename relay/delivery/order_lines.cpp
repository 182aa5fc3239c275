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
  if (line != lines_.end()) mark(line->second, true);
}

void OrderLines::mark(Line& line, bool started) {
  if (line.started != started) started_ = started ? started_ + 1 : started_ - 1;
  line.started = started;
}

std::optional<LeasedDelivery> OrderLines::next(OrderKey key) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return std::nullopt;
  mark(line->second, false);
  if (line->second.behind.empty()) {
    lines_.erase(line);
    return std::nullopt;
  }
  LeasedDelivery next = std::move(line->second.behind.front());
  line->second.behind.pop_front();
  --waiting_;
  return next;
}

std::vector<LeasedDelivery> OrderLines::give_back(OrderKey key) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return {};
  auto& behind = line->second.behind;
  std::vector<LeasedDelivery> all(std::make_move_iterator(behind.begin()),
                                  std::make_move_iterator(behind.end()));
  mark(line->second, false);
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
