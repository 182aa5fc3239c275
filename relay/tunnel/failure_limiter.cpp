#include "relay/tunnel/failure_limiter.hpp"

#include "relay/tunnel/source_prefix.hpp"

namespace postern::relay {

using boost::asio::ip::address;

double FailureLimiter::tokens_at(const Bucket& bucket, SteadyTime now) const {
  const double refilled =
      static_cast<double>((now - bucket.at).count()) / static_cast<double>(rules_.refill.count());
  return std::min(rules_.burst, bucket.tokens + refilled);
}

bool FailureLimiter::may_try(const address& source) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(source_prefix(source));
  return found == buckets_.end() || tokens_at(found->second, clock_.steady()) >= 1;
}

void FailureLimiter::failed(const address& source) {
  const SteadyTime now = clock_.steady();
  const std::lock_guard lock(mutex_);
  const std::string prefix = source_prefix(source);
  if (!buckets_.contains(prefix) && buckets_.size() >= rules_.sources) make_room(now);
  auto [at, added] = buckets_.try_emplace(prefix, Bucket{rules_.burst, now});
  at->second = Bucket{std::max(0.0, tokens_at(at->second, now) - 1), now};
}

std::size_t FailureLimiter::remembered() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

void FailureLimiter::make_room(SteadyTime now) {
  std::erase_if(buckets_, [&](const auto& entry) { return tokens_at(entry.second, now) >= rules_.burst; });
  if (buckets_.size() < rules_.sources) return;
  const auto fuller = [&](const auto& a, const auto& b) {
    return tokens_at(a.second, now) < tokens_at(b.second, now);
  };
  // A look at a few is enough: the point is the bound, not a perfect choice.
  auto last = buckets_.begin();
  std::advance(last, std::min<std::size_t>(8, buckets_.size()));
  buckets_.erase(std::max_element(buckets_.begin(), last, fuller));
}

}  // namespace postern::relay
