#pragma once
#include <optional>

#include "base/clock.hpp"

namespace postern::relay {

/// How long something was under way, in all and so far. The caller has a lock.
class BusyTime {
 public:
  void begin(SteadyTime at) {
    if (!began_) began_ = at;
  }
  void end(SteadyTime at) {
    if (began_) sum_ += at - *began_;
    began_.reset();
  }
  Duration until(SteadyTime at) const { return began_ ? sum_ + (at - *began_) : sum_; }

 private:
  std::optional<SteadyTime> began_;
  Duration sum_{};
};

}  // namespace postern::relay
