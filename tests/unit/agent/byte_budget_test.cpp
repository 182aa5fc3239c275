#include "agent/byte_budget.hpp"

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

namespace postern::agent {
namespace {

namespace asio = boost::asio;
using Hold = ByteBudget::Hold;

class Budget : public testing::Test {
 protected:
  /// Starts taking; the hold lands in the slot when there is room.
  void take(std::string app, std::size_t bytes, std::optional<Hold>& slot,
            Duration limit = std::chrono::hours(1)) {
    asio::co_spawn(loop_, budget_.take(std::move(app), bytes, limit),
                   asio::bind_cancellation_slot(signal_.slot(), [&slot](std::exception_ptr, Hold hold) {
                     slot.emplace(std::move(hold));
                   }));
    turn();
  }
  /// Runs what is ready.
  void turn() {
    loop_.restart();
    loop_.poll();
  }

  ByteBudget budget_{100};
  asio::io_context loop_;
  asio::cancellation_signal signal_;
};

TEST_F(Budget, GivesWhileThereIsRoomAndTakesBack) {
  std::optional<Hold> one;
  take("a", 60, one);
  ASSERT_TRUE(one && *one);
  EXPECT_EQ(budget_.used(), 60U);
  one.reset();
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(Budget, WhoFindsNoRoomWaitsUntilThereIsSome) {
  std::optional<Hold> one;
  std::optional<Hold> two;
  take("a", 60, one);
  take("b", 60, two);
  EXPECT_FALSE(two);
  EXPECT_EQ(budget_.waiting(), 1U);
  one.reset();
  turn();
  ASSERT_TRUE(two && *two);
  EXPECT_EQ(budget_.used(), 60U);
  EXPECT_EQ(budget_.waiting(), 0U);
}

TEST_F(Budget, ASmallOneDoesNotWaitBehindALargeOne) {
  std::optional<Hold> held;
  std::optional<Hold> large;
  std::optional<Hold> small;
  take("a", 50, held);
  take("b", 80, large);
  take("c", 10, small);
  EXPECT_FALSE(large);
  EXPECT_TRUE(small && *small);
}

TEST_F(Budget, OneAppGetsAtMostHalf) {
  std::optional<Hold> first;
  std::optional<Hold> second;
  std::optional<Hold> other;
  take("a", 40, first);
  take("a", 40, second);
  EXPECT_FALSE(second);
  take("b", 40, other);
  EXPECT_TRUE(other && *other);
}

TEST_F(Budget, WhatNeverFitsIsToldAtOnce) {
  std::optional<Hold> hold;
  take("a", 101, hold);
  ASSERT_TRUE(hold);
  EXPECT_FALSE(*hold);
}

TEST_F(Budget, TheWaitEndsAtItsLimit) {
  std::optional<Hold> held;
  std::optional<Hold> late;
  take("a", 100, held);
  take("b", 1, late, std::chrono::milliseconds(1));
  loop_.restart();
  loop_.run_one();
  turn();
  ASSERT_TRUE(late);
  EXPECT_FALSE(*late);
  EXPECT_EQ(budget_.waiting(), 0U);
}

TEST_F(Budget, WhoIsCancelledLeavesTheQueueAndHoldsNothing) {
  std::optional<Hold> held;
  std::optional<Hold> gone;
  take("a", 100, held);
  take("b", 50, gone);
  signal_.emit(asio::cancellation_type::terminal);
  turn();
  EXPECT_EQ(budget_.waiting(), 0U);
  gone.reset();
  held.reset();
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(Budget, GrowingLetsInWhoWaits) {
  std::optional<Hold> one;
  std::optional<Hold> two;
  take("a", 60, one);
  take("b", 60, two);
  ASSERT_FALSE(two);
  budget_.resize(200);
  turn();
  EXPECT_TRUE(two && *two);
}

TEST_F(Budget, ShrinkingTakesNothingBack) {
  std::optional<Hold> one;
  std::optional<Hold> two;
  take("a", 60, one);
  budget_.resize(50);
  EXPECT_EQ(budget_.used(), 60U);
  take("b", 10, two);
  EXPECT_FALSE(two);
  one.reset();
  turn();
  EXPECT_TRUE(two && *two);
}

}  // namespace
}  // namespace postern::agent
