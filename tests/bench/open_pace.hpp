#pragma once
#include <cstdint>
#include <utility>

#include "tests/bench/load.hpp"

namespace postern::bench {

/// When requests of an open load are due, and what of them nobody has sent in time. Times are nanoseconds.
/// Pure.
class OpenPace {
 public:
  static constexpr std::int64_t kSecond = 1'000'000'000;
  static constexpr std::int64_t kTooLate = kSecond / 10;

  OpenPace(double rate, std::int64_t began) : rate_(rate), began_(began) {}

  bool is_due(std::int64_t now) const { return sequence_ < due(now); }
  /// Takes the next one; when it was due.
  std::int64_t take() {
    return began_ + static_cast<std::int64_t>(static_cast<double>(sequence_++) / rate_ * kSecond);
  }
  /// One was due and every connection waited.
  void all_wait(std::int64_t now) { all_waited_ = now; }
  void give_up_late(std::int64_t now, Totals& totals) { give_up(due(now - kTooLate), now, totals); }
  /// Nothing more will be sent.
  void finish(std::int64_t end, Totals& totals) {
    totals.due = due(end);
    give_up(totals.due, end, totals);
  }

 private:
  std::uint64_t due(std::int64_t now) const {
    return now <= began_ ? 0
                         : static_cast<std::uint64_t>(static_cast<double>(now - began_) / kSecond * rate_);
  }
  void give_up(std::uint64_t until, std::int64_t now, Totals& totals) {
    if (until <= sequence_) return;
    const bool all_waited = now - all_waited_ < 2 * kTooLate;
    (all_waited ? totals.missed : totals.behind) += until - std::exchange(sequence_, until);
  }

  const double rate_;
  const std::int64_t began_;
  std::uint64_t sequence_ = 0;
  std::int64_t all_waited_ = -kSecond;
};

}  // namespace postern::bench
