#pragma once
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "relay/limits/limiter.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

struct RedisLimiterOptions {
  std::string prefix = "postern:";  ///< of every key
  Duration tell_every = std::chrono::milliseconds(20);
  std::size_t keys_most = 65'536;
};

/// The limits of all nodes that share one Redis, together. take() never waits for Redis: it decides in memory
/// and tells Redis afterwards (shared_ledger.hpp). Keys that were taken from are told in batches every 20 ms,
/// and at once when a node has used up a sixteenth of a burst.
///
/// N nodes let through, in any time T, at most rate · T + N · (burst + rate · D), where D, the time until a
/// node hears of the others, is 20 ms and the way to Redis and back; and in the long run exactly the rate.
/// Without Redis, or when it is slow or answers nonsense, each node keeps the whole limit by itself: N times
/// the rate in all, never unlimited. Redis may be wiped at any time: the next 20 ms make it whole.
///
///   postern_limits_told_total{result="heard|unheard"}   keys
class RedisLimiter final : public Limiter {
 public:
  /// Before client.start(). `client`, `clock` and `metrics` outlive it; the client may still run when this is
  /// destroyed.
  RedisLimiter(RedisClient& client, const Clock& clock, prometheus::Registry& metrics,
               RedisLimiterOptions options = {});
  ~RedisLimiter() override;

  Gcra::Verdict take(std::string_view key, const RateLimit& limit, SteadyTime now) override;
  void give_back(std::string_view key, const RateLimit& limit, SteadyTime now) override;
  std::size_t keys() const;
  std::size_t unheard() const;  ///< keys with something to tell, or to hear yet; 0 when all is shared

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
