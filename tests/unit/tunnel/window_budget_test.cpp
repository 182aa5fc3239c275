// What windows may promise together: never more than there is, and all of it comes back.
#include "tunnel-proto/window_budget.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace postern::tunnel {
namespace {

TEST(ByteBudget, GivesAllOrNothing) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_TRUE(budget.take(40));
  budget.give(100);
  EXPECT_EQ(budget.taken(), 0U);
}

TEST(ByteBudget, WhatIsOwedIsWaitedFor) {
  ByteBudget budget(100);
  budget.owe(150);
  EXPECT_FALSE(budget.take(1));
  budget.give(100);
  EXPECT_TRUE(budget.take(50));
  EXPECT_FALSE(budget.take(~0ULL)) << "sums do not wrap";
}

TEST(ByteBudget, IsNeverExceededByManyThreads) {
  ByteBudget budget(1000);
  std::atomic<bool> exceeded = false;
  const auto work = [&] {
    for (int i = 0; i < 20'000; ++i) {
      if (!budget.take(300)) continue;
      if (budget.taken() > 1000) exceeded = true;
      budget.give(300);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(budget.taken(), 0U);
}

TEST(WindowBudget, DoublesWhileBothBudgetsHaveRoom) {
  const auto shared = std::make_shared<ByteBudget>(1000);
  WindowBudget budget(10'000, shared);
  budget.open(100);
  ReceiveWindow window(100);
  for (int i = 0; i < 10; ++i) budget.grow(window, 100'000);
  EXPECT_EQ(window.window(), 800U) << "900 more would be too many";
  EXPECT_EQ(shared->taken(), 800U);
  budget.close(100, window.window());
  EXPECT_EQ(shared->taken(), 0U);
}

TEST(WindowBudget, StopsAtTheMostAndAtItsOwnBudget) {
  WindowBudget budget(250, nullptr);
  ReceiveWindow window(100);
  budget.grow(window, 150);
  EXPECT_EQ(window.window(), 150U);
  budget.grow(window, 1000);
  EXPECT_EQ(window.window(), 300U);
  budget.grow(window, 1000);
  EXPECT_EQ(window.window(), 300U);
}

TEST(WindowBudget, GivesBackWithTheSession) {
  const auto shared = std::make_shared<ByteBudget>(1000);
  {
    WindowBudget budget(1000, shared);
    budget.open(100);
    budget.open(100);
    ReceiveWindow session(200);
    budget.grow(session, 1000);
    EXPECT_EQ(shared->taken(), 400U);
  }
  EXPECT_EQ(shared->taken(), 0U);
}

TEST(WindowBudget, AWindowThatShrinksKeepsItsPromise) {
  const auto shared = std::make_shared<ByteBudget>(1000);
  WindowBudget budget(1000, shared);
  ReceiveWindow window(100);
  budget.grow(window, 1000);
  window.raise();
  EXPECT_EQ(window.limit(), 200U);
  budget.shrink(window, 100);
  EXPECT_EQ(shared->taken(), 0U);
  EXPECT_TRUE(window.take(200)) << "it was promised";
  window.consume(100);
  EXPECT_FALSE(window.due());
  window.consume(100);
  ASSERT_TRUE(window.due());
  window.raise();
  EXPECT_EQ(window.limit(), 300U);
}

}  // namespace
}  // namespace postern::tunnel
