#include "relay/ingest/refusal_limiter.hpp"

namespace postern::relay {

std::optional<std::uint64_t> RefusalLimiter::admit(SourceId source, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kSourcesMax) forget_idle(now);
  Bucket& bucket = buckets_[source];
  if (!bucket.gcra.take(Pace{kInterval, kBurst}, now).allowed) {
    ++bucket.left_out;
    return std::nullopt;
  }
  return std::exchange(bucket.left_out, 0);
}

void RefusalLimiter::forget_idle(SteadyTime now) {
  std::erase_if(buckets_, [now](const auto& entry) { return entry.second.gcra.arrival() <= now; });
}

}  // namespace postern::relay
