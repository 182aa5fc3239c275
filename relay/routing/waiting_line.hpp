#pragma once
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace postern::relay {

/// What waits, by whom it is for: one of each in turn, so that whoever sends much, or has slow programs,
/// waits for itself. Bounded in all and for each. Not safe from several threads.
template <class Key, class Item>
class WaitingLine {
 public:
  using Point = std::chrono::steady_clock::time_point;
  WaitingLine(std::size_t most, std::size_t most_each) : most_(most), most_each_(most_each) {}

  /// False when there is no room; then the item is as it was.
  bool push(const Key& key, Point until, Item& item) {
    auto& own = lines_[key];
    if (count_ >= most_ || own.size() >= most_each_) {
      if (own.empty()) lines_.erase(key);
      return false;
    }
    if (own.empty()) turns_.push_back(key);
    own.push_back({until, std::move(item)});
    ++count_;
    return true;
  }

  std::optional<Item> pop() {
    if (turns_.empty()) return std::nullopt;
    const Key key = turns_.front();
    turns_.pop_front();
    const auto own = lines_.find(key);
    Item item = std::move(own->second.front().item);
    own->second.pop_front();
    --count_;
    if (own->second.empty())
      lines_.erase(own);
    else
      turns_.push_back(key);
    return item;
  }

  /// Takes out what has waited until `now` or longer.
  std::vector<Item> expire(Point now) {
    std::vector<Item> out;
    for (auto own = lines_.begin(); own != lines_.end();) {
      auto& waiting = own->second;
      for (auto at = waiting.begin(); at != waiting.end();) {
        if (at->until > now) {
          ++at;
          continue;
        }
        out.push_back(std::move(at->item));
        at = waiting.erase(at);
      }
      if (!waiting.empty()) {
        ++own;
        continue;
      }
      std::erase(turns_, own->first);
      own = lines_.erase(own);
    }
    count_ -= out.size();
    return out;
  }

  /// When the next one's time is up.
  std::optional<Point> earliest() const {
    std::optional<Point> found;
    for (const auto& [key, waiting] : lines_) {
      for (const Waiting& each : waiting) {
        if (!found || each.until < *found) found = each.until;
      }
    }
    return found;
  }
  std::size_t size() const { return count_; }

 private:
  struct Waiting {
    Point until;
    Item item;
  };
  std::size_t most_, most_each_;
  std::size_t count_ = 0;
  std::map<Key, std::deque<Waiting>> lines_;
  std::deque<Key> turns_;  // each key with something waiting, once
};

}  // namespace postern::relay
