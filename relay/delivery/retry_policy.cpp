#include "relay/delivery/retry_policy.hpp"

#include <algorithm>

#include "base/backoff.hpp"

namespace postern::relay {
namespace {

Duration asked_wait(const AttemptResult& result) {
  return std::clamp(result.retry_after.value_or(Duration{}), Duration{}, kRetryAfterMax);
}

Duration uncounted_wait(unsigned uncounted_before, Random& random) {
  const Duration grown = kUncountedBackoffBase * (std::int64_t{1} << std::min(uncounted_before, 16U));
  const Duration ceiling = std::min(grown, kUncountedBackoffMax);
  const Duration wait(static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * random.unit()));
  return std::max(wait, kUncountedBackoffMin);
}

Verdict dead(std::string reason) {
  return {DeliveryState::dead, {}, std::move(reason)};
}

Verdict retry_uncounted(const RetryContext& context, const AttemptResult& result, Random& random) {
  const bool grows = !result.app_full && context.tries > context.attempt_count;
  const unsigned uncounted = grows ? context.tries - context.attempt_count : 0;
  const Duration wait = std::max(uncounted_wait(uncounted, random), asked_wait(result));
  return {DeliveryState::pending, context.now + wait, reason_of(result.attempt)};
}

Verdict retry_counted(const RetryContext& context, const AttemptResult& result, Random& random) {
  const auto& own = context.destination.retry_schedule;
  const auto& schedule = own.empty() ? default_retry_schedule() : own;
  const std::size_t made = context.attempt_count + 1;
  if (made >= schedule.size()) return dead("retries_exhausted");
  const Duration wait = std::max(jittered(schedule[made], kRetryJitter, random), asked_wait(result));
  return {DeliveryState::pending, context.now + wait, reason_of(result.attempt)};
}

}  // namespace

const std::vector<Duration>& default_retry_schedule() {
  using namespace std::chrono_literals;
  static const std::vector<Duration> schedule = {0s, 5s, 30s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
  return schedule;
}

Duration first_wait(const Destination& destination) {
  const auto& own = destination.retry_schedule;
  return (own.empty() ? default_retry_schedule() : own).front();
}

std::string reason_of(const Attempt& attempt) {
  if (!attempt.error_code.empty()) return attempt.error_code;
  if (attempt.response_status > 0) return fmt::format("http_{}", attempt.response_status);
  return "no_answer";
}

Verdict judge(const RetryContext& context, const AttemptResult& result, Random& random) {
  const Attempt& attempt = result.attempt;
  if (attempt.outcome == Outcome::delivered) return {DeliveryState::delivered, {}, {}};
  if (result.gone) return {DeliveryState::dead, {}, "gone", true};
  if (result.withheld) return {DeliveryState::cancelled, {}, attempt.error_code};
  if (result.final) return dead(attempt.error_code.empty() ? "final_status" : attempt.error_code);
  if (result.wait_for_app) return {DeliveryState::parked, {}, "app_away"};
  if (result.wait_for_agent) return {DeliveryState::parked, {}, "agent_away"};
  return attempt.counted ? retry_counted(context, result, random) : retry_uncounted(context, result, random);
}

}  // namespace postern::relay
