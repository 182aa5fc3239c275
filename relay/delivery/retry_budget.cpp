#include "relay/delivery/retry_budget.hpp"

namespace postern::relay {

void RetryBudget::earn(SteadyTime now) {
  refill(now);
  add(earned());
}

bool RetryBudget::take(SteadyTime now) {
  refill(now);
  if (tokens_ < kRetry) return false;
  tokens_ -= kRetry;
  return true;
}

// A microsecond at one retry a second is a millionth of a retry.
void RetryBudget::refill(SteadyTime now) {
  if (started_ && now > refilled_) {
    const Duration rest = std::min(Duration(now - refilled_), Duration(std::chrono::hours(1)));
    add(rest.count() * policy_.floor_per_second);
  }
  refilled_ = started_ ? std::max(refilled_, now) : now;
  started_ = true;
}

void RetryBudget::add(std::int64_t tokens) {
  tokens_ = std::min(tokens_ + tokens, kRetry * policy_.most);
}

}  // namespace postern::relay
