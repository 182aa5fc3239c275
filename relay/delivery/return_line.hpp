#pragma once
#include <algorithm>

#include "base/clock.hpp"

namespace postern::relay {

/// When those that are sent away should come back: one each kStep. A crowd that returned together would only
/// be sent away together. Pure; one thread.
class ReturnLine {
 public:
  static constexpr Duration kStep = std::chrono::milliseconds(100);
  static constexpr Duration kWaitLeast = std::chrono::seconds(1);
  static constexpr Duration kWaitMost = std::chrono::minutes(10);

  Duration next(SteadyTime now) {
    end_ = std::clamp(end_ + kStep, now + kWaitLeast, now + kWaitMost);
    return end_ - now;
  }

 private:
  SteadyTime end_{};
};

}  // namespace postern::relay
