#include "relay/delivery/fair_ring.hpp"

#include <gtest/gtest.h>

#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

struct FairRingTest : testing::Test {
  DestinationQueue& add(std::uint64_t n, std::size_t waiting, unsigned concurrency = 1000) {
    auto& queue = *queues.emplace_back(std::make_unique<DestinationQueue>(make_destination(n, concurrency)));
    queue.opened(false);
    for (std::size_t i = 0; i < waiting; ++i) queue.handed_over(make_leased(i + 1, queue.id()));
    return queue;
  }
  DestinationQueue* start() {
    DestinationQueue* queue = ring.next();
    if (queue == nullptr) return nullptr;
    queue->take();
    ring.taken(*queue);
    return queue;
  }
  void finish(DestinationQueue& queue) {
    queue.finished(true);
    ring.freed(queue);
  }
  std::vector<std::unique_ptr<DestinationQueue>> queues;
  FairRing ring{16};
};

TEST_F(FairRingTest, TakesOneEachRoundAndRound) {
  auto& busy = add(1, 100);
  auto& quiet = add(2, 2);
  ring.add(busy);
  ring.add(quiet);
  ring.add(busy);  // once is enough
  std::vector<DestinationQueue*> order;
  for (int i = 0; i < 6; ++i) order.push_back(start());
  EXPECT_EQ(order, (std::vector<DestinationQueue*>{&busy, &quiet, &busy, &quiet, &busy, &busy}));
}

TEST_F(FairRingTest, OneThatNeverAnswersTakesHalfAtMost) {
  auto& dead = add(1, 100);
  ring.add(dead);
  while (start() != nullptr) {
  }
  EXPECT_EQ(dead.in_flight(), 8U);
  auto& alive = add(2, 1);
  ring.add(alive);
  EXPECT_EQ(start(), &alive);
  finish(dead);
  finish(alive);
  EXPECT_EQ(start(), nullptr);
  ring.retry_over_share();
  EXPECT_EQ(start(), &dead) << "what it set free it may use again";
}

TEST_F(FairRingTest, ManyThatNeverAnswerStillLeaveRoom) {
  for (std::uint64_t n = 1; n <= 6; ++n) ring.add(add(n, 100));
  for (int turn = 0; turn < 10; ++turn) {
    ring.retry_over_share();
    while (start() != nullptr) {
    }
  }
  EXPECT_LT(ring.in_flight(), 16U);
  auto& alive = add(99, 1);
  ring.add(alive);
  ring.retry_over_share();
  DestinationQueue* next = nullptr;
  while ((next = start()) != nullptr && next != &alive) {
  }
  EXPECT_EQ(next, &alive);
}

TEST_F(FairRingTest, AnEmptiedQueueLeavesAndComesBack) {
  auto& queue = add(1, 1, 1);
  ring.add(queue);
  EXPECT_EQ(start(), &queue);
  EXPECT_EQ(start(), nullptr);
  finish(queue);
  EXPECT_EQ(start(), nullptr);
  queue.handed_over(make_leased(2));
  ring.add(queue);
  EXPECT_EQ(start(), &queue);
}

}  // namespace
}  // namespace postern::relay
