#pragma once
#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace postern::tunnel {

/// So many at once, so many a second after that.
class TokenBucket {
 public:
  TokenBucket(std::uint32_t burst, std::uint32_t per_second, SteadyTime now)
      : burst_(burst), per_second_(per_second), tokens_(burst), filled_(now) {}

  /// False when it is empty.
  bool take(SteadyTime now) {
    const double seconds = std::chrono::duration<double>(now - filled_).count();
    tokens_ = std::min(burst_, tokens_ + std::max(seconds, 0.0) * per_second_);
    filled_ = std::max(filled_, now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double burst_;
  double per_second_;
  double tokens_;
  SteadyTime filled_;
};

}  // namespace postern::tunnel
