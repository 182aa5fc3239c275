#pragma once
#include <algorithm>
#include <optional>

#include "base/clock.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// When a destination's order keys must be looked along for something to do, and from where. A round goes
/// from the first key to the last, in as many claims as it takes; what happens meanwhile asks for another
/// round. One that meets another node's look waits, and goes on from where it was. Pure; one thread.
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
  void ended(const EventLog::Heads& heads) {
    claiming_ = false;
    if (heads.busy) {
      not_before_ = heads.again;
      return;
    }
    after_ = heads.seen_to;
    if (heads.again) ask_at(*heads.again);
    if (after_ == kNoOrder) round_ = std::exchange(again_, false);
  }

 private:
  bool round_ = false;
  bool again_ = false;
  bool claiming_ = false;
  OrderKey after_ = kNoOrder;
  std::optional<Time> at_;
  std::optional<Time> not_before_;  ///< when the round may go on
};

}  // namespace postern::relay
