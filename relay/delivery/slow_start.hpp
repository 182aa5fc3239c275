#pragma once
#include <algorithm>

namespace postern::relay {

/// How many attempts at once a destination that has just come back is given. Pure.
///
/// An app that returns is often still warming up, and a backlog sent at full width hits it at its weakest and
/// arrives shuffled. So it starts with one attempt in flight, which also keeps a backlog strictly in order,
/// and only after kOneByOne good answers in a row the window begins to double, every kDoubleAfter good ones
/// in a row. A bad answer starts the row again but does not shrink the window: the retry schedule already
/// takes the load off.
///
/// Whoever leaves again before that is over needs half as many the next time, kOneByOneLeast at the least,
/// until it has got through once: behind a line that keeps breaking a backlog would otherwise only ever grow.
class SlowStart {
 public:
  static constexpr unsigned kOneByOne = 256;
  static constexpr unsigned kOneByOneLeast = 16;
  static constexpr unsigned kDoubleAfter = 64;

  /// Back to one at a time.
  void restart() {
    one_by_one_ = open_ ? kOneByOne : std::max(one_by_one_ / 2, kOneByOneLeast);
    window_ = 1;
    streak_ = 0;
    open_ = false;
  }
  /// No limit but the destination's own concurrency.
  void open() { open_ = true; }
  bool is_open() const { return open_; }

  unsigned window(unsigned concurrency) const {
    const unsigned most = std::max(concurrency, 1U);
    return open_ ? most : std::min(window_, most);
  }

  void answered(bool good, unsigned concurrency) {
    if (open_) return;
    streak_ = good ? streak_ + 1 : 0;
    if (streak_ < (window_ == 1 ? one_by_one_ : kDoubleAfter)) return;
    streak_ = 0;
    window_ *= 2;
    if (window_ >= concurrency) open_ = true;
  }

 private:
  unsigned window_ = 1;
  unsigned streak_ = 0;
  unsigned one_by_one_ = kOneByOne;
  bool open_ = true;
};

}  // namespace postern::relay
