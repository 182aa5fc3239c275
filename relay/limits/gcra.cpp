#include "relay/limits/gcra.hpp"

namespace postern::relay {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

}  // namespace

Pace RateLimit::pace() const {
  if (unlimited()) return {};
  // Rounded up: a rate that does not divide the second is kept a little below, never above.
  return {Duration((kSecond + per_second - 1) / per_second), burst_or_default()};
}

Gcra::Verdict Gcra::look(const Pace& pace, SteadyTime now) const {
  if (pace.unlimited()) return {};
  const Duration tolerance = pace.tolerance();
  const SteadyTime arrival = std::max(arrival_, now);
  const Duration ahead = std::chrono::duration_cast<Duration>(arrival + pace.interval - now);
  if (ahead > tolerance) {
    return {.allowed = false,
            .retry_after = ahead - tolerance,
            .remaining = 0,
            .reset_after = std::chrono::duration_cast<Duration>(arrival - now)};
  }
  return {.allowed = true,
          .retry_after = {},
          .remaining = static_cast<std::uint32_t>((tolerance - ahead) / pace.interval),
          .reset_after = ahead};
}

Gcra::Verdict Gcra::take(const Pace& pace, SteadyTime now) {
  const Verdict verdict = look(pace, now);
  if (verdict.allowed && !pace.unlimited()) arrival_ = now + verdict.reset_after;
  return verdict;
}

Gcra::Verdict Gcra::take(const Pace& pace, SteadyTime now, std::uint32_t times) {
  const Verdict verdict = take(pace, now);
  if (verdict.allowed && times > 1) arrival_ += pace.interval * (times - 1);
  return verdict;
}

}  // namespace postern::relay
