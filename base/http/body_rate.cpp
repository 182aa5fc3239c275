#include "base/http/body_rate.hpp"

namespace postern::http {

BodyRate::BodyRate(std::size_t rate, Duration window, SteadyTime now)
    : wanted_(static_cast<std::size_t>(static_cast<double>(rate) *
                                       std::chrono::duration<double>(window).count())),
      slot_(std::max(window / static_cast<int>(kSlots), Duration(1))),
      slot_start_(now) {}

void BodyRate::add(std::size_t bytes, SteadyTime now) {
  advance(now);
  slots_[current_] += bytes;
  sum_ += bytes;
}

bool BodyRate::too_slow(SteadyTime now) {
  advance(now);
  return full_ == kSlots && sum_ < wanted_;
}

void BodyRate::advance(SteadyTime now) {
  while (now >= slot_start_ + slot_) {
    slot_start_ += slot_;
    current_ = (current_ + 1) % slots_.size();
    sum_ -= slots_[current_];
    slots_[current_] = 0;
    full_ = std::min(full_ + 1, kSlots);
    // Nothing is left to forget: catch up in one step.
    if (sum_ == 0 && full_ == kSlots) slot_start_ += slot_ * ((now - slot_start_) / slot_);
  }
}

}  // namespace postern::http
