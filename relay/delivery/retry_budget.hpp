#pragma once
#include <cstdint>

#include "base/clock.hpp"

namespace postern::relay {

struct RetryBudgetPolicy {
  unsigned earned_permille = 100;  ///< of a retry, by each first attempt
  unsigned floor_per_second = 1;   ///< retries whatever the traffic, so that a quiet destination has some
  unsigned most = 100;             ///< saved up at most
  unsigned at_first = 10;          ///< a restart need not begin with nothing
};

/// How many retries a destination is sent beside its live traffic: a tenth of it and a small floor. When
/// everything fails at once, retries would otherwise multiply the load on what is failing under it. A token
/// bucket; pure, in whole millionths of a retry.
class RetryBudget {
 public:
  static constexpr Duration kLineStep = std::chrono::milliseconds(100);
  static constexpr Duration kWaitLeast = std::chrono::seconds(1);
  static constexpr Duration kWaitMost = std::chrono::minutes(10);

  explicit RetryBudget(const RetryBudgetPolicy& policy = {})
      : policy_(policy), tokens_(kRetry * policy.at_first) {}

  /// A first attempt begins.
  void earn(SteadyTime now);
  /// A retry may begin, and is paid for.
  bool take(SteadyTime now);
  /// When one that may not should come back. They are spread out, one each kLineStep: a crowd that returned
  /// together would only be sent away together.
  Duration come_back(SteadyTime now);

  std::int64_t tokens() const { return tokens_; }  ///< in millionths

 private:
  static constexpr std::int64_t kRetry = 1'000'000;
  void refill(SteadyTime now);
  void add(std::int64_t tokens);

  RetryBudgetPolicy policy_;
  std::int64_t tokens_;
  SteadyTime refilled_{};
  bool started_ = false;
  SteadyTime line_{};  ///< the end of the line of those sent away
};

}  // namespace postern::relay
