#pragma once
#include <optional>

#include "base/clock.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// When a destination's order keys must be looked along for something to do, and from where. A round goes
/// from the first key to the last, in as many claims as it takes; what happens meanwhile asks for another
/// round. Pure; one thread.
class HeadSearch {
 public:
  /// Something may have become free, or was stored.
  void ask() { (round_ ? again_ : round_) = true; }
  /// And at that time, too.
  void ask_at(Time at) { at_ = at_ ? std::min(*at_, at) : at; }
  std::optional<Time> asked_at() const { return at_; }
  void tick(Time now) {
    if (!at_ || *at_ > now) return;
    at_.reset();
    ask();
  }

  bool wanted() const { return round_ && !claiming_; }
  bool claiming() const { return claiming_; }
  OrderKey after() const { return after_; }
  void started() { claiming_ = true; }
  void failed() { claiming_ = false; }
  void ended(const EventLog::Heads& heads) {
    claiming_ = false;
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
};

}  // namespace postern::relay
