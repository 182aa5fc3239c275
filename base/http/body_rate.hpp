#pragma once
#include <array>
#include <cstddef>

#include "base/clock.hpp"

namespace postern::http {

/// Says when a sender has been slower than `rate` bytes/s, averaged over the last `window`. A time-out
/// between reads would not do: a byte now and then keeps it quiet for ever. Does no I/O, takes the time as a
/// parameter.
class BodyRate {
 public:
  BodyRate(std::size_t rate, Duration window, SteadyTime now);

  void add(std::size_t bytes, SteadyTime now);
  /// Up to an eighth of the window late. Never true within the first window.
  bool too_slow(SteadyTime now);
  /// When too_slow is worth asking next.
  SteadyTime next_look() const { return slot_start_ + slot_; }

 private:
  static constexpr std::size_t kSlots = 8;

  void advance(SteadyTime now);

  std::array<std::size_t, kSlots + 1>
      slots_{};  // bytes in the last full eighths of the window, and in this one
  std::size_t current_ = 0;
  std::size_t full_ = 0;  // slots that have ended, up to kSlots
  std::size_t sum_ = 0;
  std::size_t wanted_;  // bytes a window
  Duration slot_;
  SteadyTime slot_start_;
};

}  // namespace postern::http
