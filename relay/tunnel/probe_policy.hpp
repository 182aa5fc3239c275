#pragma once
#include <string>

#include "base/clock.hpp"

namespace postern::relay {

/// When a session is asked whether it delivers, and what its answers mean (SPEC.md, section 8). No I/O, no
/// clock.
///
/// A session is live once a probe has passed, and for as long as answers of any kind keep coming. A probe
/// that is not answered makes it dark until one passes; three in a row that reach nobody end it. One that the
/// agent grants no room for makes it dark too, but never ends it: its apps are slow, and that is not the
/// session's fault.
class ProbePolicy {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(60);  ///< without an answer
  static constexpr Duration kAgain = std::chrono::seconds(5);   ///< while dark
  static constexpr Duration kLimit = std::chrono::seconds(10);  ///< for one answer
  static constexpr unsigned kFailuresMost = 3;
  static constexpr unsigned kPutOffMost = 6;

  enum class State { new_comer, live, dark };
  enum class Failure { unanswered, no_credit };

  explicit ProbePolicy(SteadyTime now) : next_(now) {}

  bool due(SteadyTime now) const { return !waiting_ && now >= next_; }
  SteadyTime next() const { return waiting_ ? SteadyTime::max() : next_; }
  void asked() { waiting_ = true; }
  /// A new session has been granted nothing yet. One that is never granted anything is of no use.
  void put_off(SteadyTime now) {
    next_ = now + kAgain;
    ++failures_;
  }

  /// A probe was answered, or an app behind this session.
  void heard(SteadyTime now) {
    waiting_ = false;
    failures_ = 0;
    state_ = State::live;
    why_.clear();
    next_ = now + kEvery;
  }
  void failed(Failure failure, SteadyTime now) {
    waiting_ = false;
    if (state_ == State::new_comer) failures_ = 0;
    state_ = State::dark;
    next_ = now + kAgain;
    if (failure == Failure::no_credit) {
      why_ = "all deliveries that the agent takes at once wait for its apps";
    } else {
      ++failures_;
      why_ = "the last probe was not answered in 10 s";
    }
  }

  State state() const { return state_; }
  bool hopeless() const { return failures_ >= (state_ == State::new_comer ? kPutOffMost : kFailuresMost); }
  const std::string& why() const { return why_; }

 private:
  State state_ = State::new_comer;
  SteadyTime next_;
  bool waiting_ = false;
  unsigned failures_ = 0;
  std::string why_;
};

}  // namespace postern::relay
