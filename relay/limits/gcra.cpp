#include "relay/limits/gcra.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

}  // namespace

Gcra::Verdict Gcra::look(const RateLimit& limit, SteadyTime now) const {
  if (limit.unlimited()) return {};
  // Rounded up: a rate that does not divide the second is kept a little below, never above.
  const Duration interval((kSecond + limit.per_second - 1) / limit.per_second);
  const Duration tolerance = interval * limit.burst_or_default();
  const SteadyTime arrival = std::max(arrival_, now);
  const Duration ahead = std::chrono::duration_cast<Duration>(arrival + interval - now);
  if (ahead > tolerance) {
    return {.allowed = false,
            .retry_after = ahead - tolerance,
            .remaining = 0,
            .reset_after = std::chrono::duration_cast<Duration>(arrival - now)};
  }
  return {.allowed = true,
          .retry_after = {},
          .remaining = static_cast<std::uint32_t>((tolerance - ahead) / interval),
          .reset_after = ahead};
}

Gcra::Verdict Gcra::take(const RateLimit& limit, SteadyTime now) {
  const Verdict verdict = look(limit, now);
  if (verdict.allowed && !limit.unlimited()) arrival_ = now + verdict.reset_after;
  return verdict;
}

}  // namespace postern::relay
