#include "relay/delivery/retry_budget.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

SteadyTime at(Duration since_start) {
  return SteadyTime(Duration(1'000'000'000) + since_start);
}
unsigned takes(RetryBudget& budget, SteadyTime now) {
  unsigned taken = 0;
  while (budget.take(now)) ++taken;
  return taken;
}

TEST(RetryBudgetTest, ATenthOfTheLiveTraffic) {
  RetryBudget budget({.at_first = 0});
  for (int i = 0; i < 509; ++i) budget.earn(at(0s));
  EXPECT_EQ(takes(budget, at(0s)), 50U);
}

TEST(RetryBudgetTest, AQuietDestinationHasOneASecond) {
  RetryBudget budget({.at_first = 0});
  EXPECT_FALSE(budget.take(at(0s)));
  EXPECT_FALSE(budget.take(at(999ms)));
  EXPECT_TRUE(budget.take(at(1s)));
  EXPECT_FALSE(budget.take(at(1s)));
}

TEST(RetryBudgetTest, NoMoreThanAHundredAreSavedUp) {
  RetryBudget budget;
  budget.take(at(0s));
  for (int i = 0; i < 10'000; ++i) budget.earn(at(0s));
  EXPECT_EQ(takes(budget, at(24h)), 100U);
}

TEST(RetryBudgetTest, ARestartBeginsWithAFew) {
  RetryBudget budget;
  EXPECT_EQ(takes(budget, at(0s)), 10U);
}

TEST(RetryBudgetTest, ThoseSentAwayComeBackOneAfterTheOther) {
  RetryBudget budget;
  EXPECT_EQ(budget.come_back(at(0s)), 1s);
  EXPECT_EQ(budget.come_back(at(0s)), 1100ms);
  EXPECT_EQ(budget.come_back(at(1s)), 1s) << "from now on, not from an earlier line";
  Duration last{};
  for (int i = 0; i < 100'000; ++i) last = budget.come_back(at(1s));
  EXPECT_EQ(last, 10min);
  EXPECT_EQ(budget.come_back(at(24h)), 1s);
}

TEST(RetryBudgetTest, WhatDidNotBeginChangesNothing) {
  RetryBudget budget({.at_first = 2});
  ASSERT_TRUE(budget.take(at(0s)));
  const auto before = budget.tokens();
  budget.earn(at(0s));
  budget.unearn();
  EXPECT_EQ(budget.tokens(), before);
  ASSERT_TRUE(budget.take(at(0s)));
  budget.give_back();
  EXPECT_EQ(budget.tokens(), before);
  ASSERT_TRUE(budget.take(at(0s)));
  budget.unearn();
  EXPECT_EQ(budget.tokens(), 0) << "never a debt";
}

// The model keeps the whole history and replays it, in tenths of microseconds' worth, each time it is asked.
struct BudgetModel {
  enum class What { first, retry };
  std::vector<std::pair<SteadyTime, What>> history;  ///< of what was let through
  RetryBudgetPolicy policy;

  std::int64_t tokens(SteadyTime now) const {
    const std::int64_t most = std::int64_t{policy.most} * 1'000'000;
    std::int64_t left = std::int64_t{policy.at_first} * 1'000'000;
    SteadyTime last = history.empty() ? now : history.front().first;
    for (const auto& [when, what] : history) {
      left = std::min(most, left + (when - last).count() * policy.floor_per_second);
      left = what == What::retry ? left - 1'000'000
                                 : std::min(most, left + 1'000 * std::int64_t{policy.earned_permille});
      last = when;
    }
    return std::min(most, left + (now - last).count() * policy.floor_per_second);
  }
};

TEST(RetryBudgetModelTest, AgreesWithTheModelOver100000Lives) {
  for (std::uint64_t seed = 1; seed <= 100'000; ++seed) {
    std::mt19937_64 dice(seed);
    BudgetModel model;
    model.policy = {.earned_permille = static_cast<unsigned>(dice() % 500),
                    .floor_per_second = static_cast<unsigned>(dice() % 4),
                    .most = static_cast<unsigned>(1 + dice() % 20),
                    .at_first = static_cast<unsigned>(dice() % 2)};
    RetryBudget budget(model.policy);
    SteadyTime now = at(Duration(dice() % 1'000'000));
    budget.earn(now);
    model.history.emplace_back(now, BudgetModel::What::first);
    for (int step = 0; step < 12; ++step) {
      now += Duration(dice() % 2 == 0 ? dice() % 1'000 : dice() % 3'000'000);
      if (dice() % 2 == 0) {
        budget.earn(now);
        model.history.emplace_back(now, BudgetModel::What::first);
        continue;
      }
      const bool may = model.tokens(now) >= 1'000'000;
      ASSERT_EQ(budget.take(now), may) << "seed " << seed << " step " << step;
      if (may) model.history.emplace_back(now, BudgetModel::What::retry);
    }
  }
}

}  // namespace
}  // namespace postern::relay
