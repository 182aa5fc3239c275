#include "relay/tunnel/handshake_pace.hpp"

#include <algorithm>
#include <cmath>

namespace postern::relay {
namespace {

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

double HandshakePace::rate(SteadyTime at) const {
  const double part = std::clamp(seconds(at - start_) / seconds(rules_.ramp), 0.0, 1.0);
  return rules_.first + (rules_.last - rules_.first) * part;
}

Duration HandshakePace::wait(SteadyTime now) {
  if (over(now)) return Duration(0);
  now = std::max(now, counted_);
  // The rate grows evenly, so that of the middle is the mean. What nobody uses is kept for a second only.
  const double grown = (rate(counted_) + rate(now)) / 2 * seconds(now - counted_);
  free_ = std::min(free_ + grown, rate(now));
  counted_ = now;
  if (free_ >= 1) return Duration(0);
  return Duration(static_cast<std::int64_t>(std::ceil((1 - free_) / rate(now) * 1e6)));
}

}  // namespace postern::relay
