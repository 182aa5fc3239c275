#pragma once
#include <algorithm>
#include <optional>

#include "base/clock.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// When a destination's order keys must be looked along for something to do, and from where. A round goes
/// from the first key to the last, in as many claims as it takes; what happens meanwhile asks for another
/// round. One that meets another node's look waits, and goes on from where it was.
///
/// Keys of which nothing may be taken cost a look each, in every round. After one that passed many the next
/// one waits about ten times as long as that took, so that one destination does not have the store for
/// itself. Pure; one thread.
class HeadSearch {
 public:
  /// Something may have become free, or was stored.
  void ask() { (round_ ? again_ : round_) = true; }
  /// And at that time, too.
  void ask_at(Time at) { at_ = at_ ? std::min(*at_, at) : at; }
  std::optional<Time> asked_at() const {
    if (!at_ || !not_before_) return at_ ? at_ : not_before_;
    return std::min(at_, not_before_);
  }
  void tick(Time now) {
    if (not_before_ && *not_before_ <= now) not_before_.reset();
    if (!at_ || *at_ > now) return;
    at_.reset();
    ask();
  }

  bool wanted() const { return round_ && !claiming_ && !not_before_; }
  bool claiming() const { return claiming_; }
  OrderKey after() const { return after_; }
  void started() { claiming_ = true; }
  void failed() { claiming_ = false; }
  void ended(const EventLog::Heads& heads, Time now) {
    claiming_ = false;
    if (heads.busy) {
      not_before_ = heads.again;
      return;
    }
    after_ = heads.seen_to;
    if (heads.again) ask_at(*heads.again);
    passed_ += heads.passed;
    if (after_ == kNoOrder) end_round(now);
  }

 private:
  /// As many cost no more than any claim does.
  static constexpr std::size_t kFewKeys = 100;
  static constexpr Duration kPauseEach = std::chrono::microseconds(50);
  static constexpr Duration kLongestPause = std::chrono::seconds(1);

  void end_round(Time now) {
    round_ = std::exchange(again_, false);
    const std::size_t passed = std::exchange(passed_, 0);
    if (passed > kFewKeys)
      not_before_ = now + std::min<Duration>(kPauseEach * static_cast<std::int64_t>(passed), kLongestPause);
  }

  bool round_ = false;
  bool again_ = false;
  bool claiming_ = false;
  OrderKey after_ = kNoOrder;
  std::size_t passed_ = 0;  ///< in this round
  std::optional<Time> at_;
  std::optional<Time> not_before_;  ///< when the round may go on, or the next one begin
};

}  // namespace postern::relay
