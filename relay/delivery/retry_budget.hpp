#pragma once
#include <algorithm>
#include <cstdint>

#include "relay/delivery/return_line.hpp"

namespace postern::relay {

struct RetryBudgetPolicy {
  unsigned earned_permille = 100;  ///< of a retry, by each first attempt
  unsigned floor_per_second = 1;   ///< retries whatever the traffic, so that a quiet destination has some
  unsigned most = 100;             ///< saved up at most
  unsigned at_first = 10;          ///< a restart need not begin with nothing
};

/// What a delivery that begins has to do with a RetryBudget.
enum class BudgetShare { none, earns, costs };

/// How many retries a destination is sent beside its live traffic: a tenth of it and a small floor. When
/// everything fails at once, retries would otherwise multiply the load on what is failing under it. A token
/// bucket; pure, in whole millionths of a retry.
class RetryBudget {
 public:
  explicit RetryBudget(const RetryBudgetPolicy& policy = {})
      : policy_(policy), tokens_(kRetry * policy.at_first) {}

  /// A first attempt begins.
  void earn(SteadyTime now);
  /// A retry may begin, and is paid for.
  bool take(SteadyTime now);
  /// Undo earn() and take(), for what did not begin after all.
  void unearn() { tokens_ = std::max<std::int64_t>(tokens_ - earned(), 0); }
  void give_back() { add(kRetry); }
  /// When one that may not should come back.
  Duration come_back(SteadyTime now) { return line_.next(now); }

  std::int64_t tokens() const { return tokens_; }  ///< in millionths

 private:
  static constexpr std::int64_t kRetry = 1'000'000;
  std::int64_t earned() const { return kRetry / 1000 * policy_.earned_permille; }
  void refill(SteadyTime now);
  void add(std::int64_t tokens);

  RetryBudgetPolicy policy_;
  std::int64_t tokens_;
  SteadyTime refilled_{};
  bool started_ = false;
  ReturnLine line_;
};

}  // namespace postern::relay
