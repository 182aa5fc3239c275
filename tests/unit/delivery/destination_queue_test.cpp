#include "relay/delivery/destination_queue.hpp"

#include <gtest/gtest.h>

#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

struct DestinationQueueTest : testing::Test {
  DestinationQueueTest() { queue.cold = false; }
  /// As after a clean start: direct, full width.
  void go_direct() {
    queue.claim_started();
    EXPECT_TRUE(queue.claim_ended(true, std::nullopt));
    queue.opened(false);
  }
  std::uint64_t take_one() {
    const auto id = queue.take().delivery.id;
    std::uint64_t n = 0;
    for (std::size_t i = 8; i < 16; ++i) n = n << 8 | id.uuid[i];
    return n;
  }
  std::vector<std::uint64_t> take_all() {
    std::vector<std::uint64_t> order;
    while (queue.runnable()) {
      order.push_back(take_one());
      queue.finished(true);
    }
    return order;
  }
  DestinationQueue queue{make_destination(1, 64)};
};

TEST_F(DestinationQueueTest, StartsNoMoreThanItsConcurrency) {
  go_direct();
  for (std::uint64_t n = 1; n <= 100; ++n) queue.handed_over(make_leased(n));
  unsigned started = 0;
  for (; queue.runnable(); ++started) queue.take();
  EXPECT_EQ(started, 64U);
  queue.finished(true);
  EXPECT_TRUE(queue.runnable());
}

// Of all that was behind it the last one may end before the claim that proves it.
TEST_F(DestinationQueueTest, AClaimThatFindsNothingMoreOpensThePaceForAllToSee) {
  queue.stop(QueueMode::away);
  queue.resume();
  queue.claim_started();
  ASSERT_TRUE(queue.claim_ended(true, std::nullopt));
  queue.opened(true);
  EXPECT_EQ(queue.gauges()->window, 1U);
  queue.claim_started();
  EXPECT_FALSE(queue.claim_ended(true, std::nullopt));
  EXPECT_EQ(queue.window(), 64U);
  EXPECT_EQ(queue.gauges()->window, 64U);
}

TEST_F(DestinationQueueTest, HoweverManyInNoOrderWaitThoseInOrderAreFetched) {
  go_direct();
  queue.has_order();
  queue.heads().ask();
  for (std::uint64_t n = 1; n <= 600; ++n) queue.handed_over(make_leased(n));
  EXPECT_TRUE(queue.wants_heads(512));
  for (std::uint64_t n = 1'000; n < 1'512; ++n) {
    LeasedDelivery leased = make_leased(n);
    leased.order_key = static_cast<OrderKey>(n);
    queue.claimed_in_order(std::move(leased));
  }
  EXPECT_FALSE(queue.wants_heads(512));
}

TEST_F(DestinationQueueTest, AReturningOneStartsOneByOneThenDoubles) {
  queue.stop(QueueMode::away);
  queue.resume();
  for (std::uint64_t n = 1; n <= 2000; ++n) queue.claimed(make_leased(n));
  std::vector<unsigned> windows;
  for (unsigned done = 0; done < 256 + 5 * 64; ++done) {
    if (windows.empty() || windows.back() != queue.window()) windows.push_back(queue.window());
    queue.take();
    if (queue.window() == 1) EXPECT_FALSE(queue.runnable());
    queue.finished(true);
  }
  windows.push_back(queue.window());
  EXPECT_EQ(windows, (std::vector<unsigned>{1, 2, 4, 8, 16, 32, 64}));
}

TEST_F(DestinationQueueTest, ABadAnswerStartsTheRowAgain) {
  queue.resume();
  for (std::uint64_t n = 1; n <= 1000; ++n) queue.claimed(make_leased(n));
  for (unsigned i = 0; i < 255; ++i) queue.take(), queue.finished(true);
  queue.take();
  queue.finished(false);
  for (unsigned i = 0; i < 255; ++i) queue.take(), queue.finished(true);
  EXPECT_EQ(queue.window(), 1U);
  queue.take();
  queue.finished(true);
  EXPECT_EQ(queue.window(), 2U);
}

TEST_F(DestinationQueueTest, ADryQueueNeedsNoSlowStart) {
  queue.resume();
  EXPECT_EQ(queue.window(), 1U);
  queue.claim_started();
  ASSERT_TRUE(queue.claim_ended(true, std::nullopt));
  queue.opened(false);
  EXPECT_EQ(queue.window(), 64U);
}

TEST_F(DestinationQueueTest, SlowStartHoldsWhileABacklogIsLeft) {
  queue.resume();
  queue.claim_started();
  queue.claimed(make_leased(1));
  queue.claimed(make_leased(2));
  ASSERT_TRUE(queue.claim_ended(true, std::nullopt));
  queue.opened(false);
  EXPECT_EQ(queue.window(), 1U);
  EXPECT_EQ(take_all(), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(queue.window(), 64U);
}

TEST_F(DestinationQueueTest, HandOversWaitUntilTheStoreIsKnownToHoldNothingOlder) {
  queue.claim_started();
  ASSERT_TRUE(queue.claim_ended(true, std::nullopt));
  queue.opened(true);  // 5 was committed behind the claim
  queue.handed_over(make_leased(6));
  EXPECT_FALSE(queue.runnable());
  EXPECT_TRUE(queue.wants_claim(512));
  queue.claim_started();
  queue.claimed(make_leased(5));
  EXPECT_FALSE(queue.claim_ended(true, std::nullopt)) << "it is open already";
  EXPECT_EQ(take_all(), (std::vector<std::uint64_t>{5, 6}));
  EXPECT_FALSE(queue.wants_claim(512));
}

TEST_F(DestinationQueueTest, AFullClaimKeepsDraining) {
  queue.claim_started();
  queue.claimed(make_leased(1));
  EXPECT_FALSE(queue.claim_ended(false, std::nullopt));
  EXPECT_TRUE(queue.wants_claim(512));
  EXPECT_FALSE(queue.wants_claim(1)) << "enough is waiting";
  queue.claim_started();
  EXPECT_FALSE(queue.wants_claim(512)) << "one at a time";
}

TEST_F(DestinationQueueTest, AClaimAskedForBeforeAReturnProvesNothing) {
  queue.claim_started();
  queue.giving_back();
  queue.gave_back();
  EXPECT_FALSE(queue.claim_ended(true, std::nullopt));
  EXPECT_EQ(queue.mode(), QueueMode::draining);
  queue.giving_back();
  EXPECT_FALSE(queue.wants_claim(512)) << "what is given back is not in the store yet";
  queue.gave_back();
  EXPECT_TRUE(queue.wants_claim(512));
}

TEST_F(DestinationQueueTest, AStoppedQueueStartsNothingAndGivesEverythingUpInOrder) {
  go_direct();
  for (std::uint64_t n = 1; n <= 3; ++n) queue.handed_over(make_leased(n));
  queue.stop(QueueMode::disabled);
  EXPECT_FALSE(queue.runnable());
  EXPECT_FALSE(queue.wants_claim(512));
  const auto all = queue.give_up();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all.front().delivery.id, nth<DeliveryId>(1));
  EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(DestinationQueueTest, AHandOverLateFromBeforeAStopGoesBehindTheBacklog) {
  go_direct();
  queue.stop(QueueMode::away);
  queue.resume();
  queue.handed_over(make_leased(9));
  EXPECT_FALSE(queue.runnable());
  queue.claim_started();
  queue.claimed(make_leased(7));
  queue.claimed(make_leased(8));
  ASSERT_TRUE(queue.claim_ended(true, std::nullopt));
  queue.opened(false);
  EXPECT_EQ(take_all(), (std::vector<std::uint64_t>{7, 8, 9}));
}

}  // namespace
}  // namespace postern::relay
