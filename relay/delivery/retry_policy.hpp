#pragma once
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/model.hpp"

/// What becomes of a delivery after an attempt. Pure: no clock, no store.
namespace postern::relay {

/// 0, 5 s, 30 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: eleven attempts over a little more than three
/// days, so that a broken weekend deploy is survived. The first ten are those Standard Webhooks 1.0.0
/// suggests.
const std::vector<Duration>& default_retry_schedule();

/// Before the first attempt: what the schedule begins with, normally nothing. Not jittered: nothing has
/// failed.
Duration first_wait(const Destination& destination);

constexpr double kRetryJitter = 0.2;                         ///< each wait is spread by ± this share
constexpr Duration kRetryAfterMax = std::chrono::hours(24);  ///< a destination may not ask for more
constexpr Duration kUncountedBackoffBase = std::chrono::seconds(1);
constexpr Duration kUncountedBackoffMax = std::chrono::seconds(60);
/// Full jitter reaches down to nothing; below this a failure on our side would spin.
constexpr Duration kUncountedBackoffMin = std::chrono::milliseconds(100);

/// Where the delivery stood when the attempt began.
struct RetryContext {
  const Destination& destination;
  unsigned attempt_count = 0;  ///< attempts counted before this one
  unsigned tries = 0;          ///< all attempts before this one; never less than attempt_count
  Time now;                    ///< when the attempt ended
};

struct Verdict {
  DeliveryState next = DeliveryState::pending;
  Time next_at;                      ///< pending only
  std::string reason;                ///< a stable word, empty when delivered: see reason_of and judge
  bool disable_destination = false;  ///< it answered 410: it wants no more
};

/// - delivered: done.
/// - gone (410): dead, `gone`, and the destination is disabled.
/// - final: dead, with the driver's error code or `final_status`.
/// - the agent is away: parked, `agent_away`; burns nothing.
/// - the agent says that it cannot reach the app: parked, `app_away`; the same.
/// - any other outcome that does not count: pending again after a full-jitter backoff that grows with the
/// uncounted
///   tries the delivery has behind it (known from the store, so a restart doesn't reset it), never dead by
///   itself. One that found its app full waits the shortest of those: the app itself is given a pause.
/// - counted: pending after the schedule's next wait ± jitter, or after Retry-After when that is later;
///   dead with `retries_exhausted` when the schedule is used up.
Verdict judge(const RetryContext& context, const AttemptResult& result, Random& random);

/// The driver's error code; else `http_<status>`; else `no_answer`.
std::string reason_of(const Attempt& attempt);

}  // namespace postern::relay
