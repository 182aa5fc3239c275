// The queues before the writers of PostgreSQL: when a group is taken, and when it gathers.
#include <gtest/gtest.h>

#include <future>

#include "relay/store/postgres/append_queue.hpp"
#include "relay/store/postgres/completion_queue.hpp"

namespace postern::relay {
namespace {

constexpr Duration kForEver = std::chrono::hours(1);

AppendQueue::Bounds append_bounds() {
  return {.tasks_max = 8,
          .bytes_max = 1'000,
          .group_tasks_max = 4,
          .group_bytes_max = 1'000,
          .worth_a_group = 3,
          .many = 2,
          .few = 0,
          .gather = kForEver};
}

AppendQueue::Offer offer(AppendQueue& queue, std::size_t bytes = 1) {
  AppendTask task;
  task.bytes = bytes;
  return queue.offer(task);
}

std::future<std::size_t> size_of_next(AppendQueue& queue) {
  return std::async(std::launch::async, [&queue] { return queue.take().tasks.size(); });
}

TEST(AppendQueue, OneThatMeetsNoOtherIsTakenAtOnce) {
  AppendQueue queue(append_bounds());
  offer(queue);
  EXPECT_EQ(queue.take().tasks.size(), 1U);
}

TEST(AppendQueue, TheNextGroupGathersUntilTheOneUnderWayEnds) {
  AppendQueue queue(append_bounds());
  offer(queue);
  const auto first = queue.take();
  auto next = size_of_next(queue);
  offer(queue);
  offer(queue);
  EXPECT_EQ(next.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  queue.finished(first.number);
  EXPECT_EQ(next.get(), 2U);
}

TEST(AppendQueue, WhileGroupsAreSmallOneGoesBesideTheOneUnderWay) {
  auto bounds = append_bounds();
  bounds.few = 2;
  AppendQueue queue(bounds);
  offer(queue);
  queue.take();
  offer(queue);
  EXPECT_EQ(queue.take().tasks.size(), 1U);
  auto third = size_of_next(queue);
  offer(queue);
  EXPECT_EQ(third.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout) << "but not two";
  queue.finished(1);
  EXPECT_EQ(third.get(), 1U);
}

TEST(AppendQueue, OrUntilItIsWorthATransaction) {
  AppendQueue queue(append_bounds());
  offer(queue);
  queue.take();
  auto next = size_of_next(queue);
  for (int i = 0; i < 3; ++i) offer(queue);
  EXPECT_EQ(next.get(), 3U);
}

TEST(AppendQueue, AfterManyAsManyAreWaitedFor) {
  AppendQueue queue(append_bounds());
  offer(queue);
  const auto first = queue.take();
  offer(queue);
  offer(queue);
  auto second = size_of_next(queue);
  queue.finished(first.number);
  EXPECT_EQ(second.get(), 2U);
  queue.finished(first.number + 1);
  offer(queue);
  auto third = size_of_next(queue);
  EXPECT_EQ(third.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  offer(queue);
  EXPECT_EQ(third.get(), 2U);
}

TEST(AppendQueue, OrForAMoment) {
  auto bounds = append_bounds();
  bounds.gather = std::chrono::milliseconds(1);
  AppendQueue queue(bounds);
  offer(queue);
  queue.take();
  offer(queue);
  EXPECT_EQ(queue.take().tasks.size(), 1U);
}

TEST(AppendQueue, AWriterThatFindsEverythingTakenWaitsForMore) {
  AppendQueue queue(append_bounds());
  offer(queue);
  const auto first = queue.take();
  auto gathering = size_of_next(queue);
  offer(queue);
  queue.finished(first.number);
  EXPECT_EQ(gathering.get(), 1U);
}

TEST(AppendQueue, ClosingTakesWhatIsLeftAndThenNothing) {
  AppendQueue queue(append_bounds());
  offer(queue);
  queue.take();
  offer(queue);
  auto gathering = size_of_next(queue);
  queue.close();
  EXPECT_EQ(gathering.get(), 1U);
  EXPECT_TRUE(queue.take().tasks.empty());
  EXPECT_EQ(offer(queue), AppendQueue::Offer::closed);
}

TEST(AppendQueue, IsBoundedInNumberAndBytes) {
  AppendQueue queue(append_bounds());
  EXPECT_EQ(offer(queue, 5'000), AppendQueue::Offer::taken);  // one always fits
  EXPECT_EQ(offer(queue), AppendQueue::Offer::full);
  queue.take();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(offer(queue), AppendQueue::Offer::taken);
  EXPECT_EQ(offer(queue), AppendQueue::Offer::full);
}

void offer(CompletionQueue& queue, std::size_t completions) {
  CompletionQueue::Batch batch{std::vector<Completion>(completions), {}, {}};
  queue.offer(batch);
}

CompletionQueue::Bounds completion_bounds() {
  return {.group = 10, .many = 2, .worth_a_group = 4, .gather = kForEver};
}

TEST(CompletionQueue, AFewAreTakenAtOnce) {
  CompletionQueue queue(completion_bounds());
  for (int i = 0; i < 3; ++i) {
    offer(queue, 1);
    EXPECT_EQ(queue.take().size(), 1U);
  }
}

TEST(CompletionQueue, AfterManyTheNextGather) {
  CompletionQueue queue(completion_bounds());
  offer(queue, 2);
  queue.take();
  auto next = std::async(std::launch::async, [&] { return queue.take().size(); });
  offer(queue, 2);
  EXPECT_EQ(next.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  offer(queue, 2);
  EXPECT_EQ(next.get(), 2U);
}

TEST(CompletionQueue, AGroupIsBoundedAndTheRestStays) {
  CompletionQueue queue(completion_bounds());
  for (int i = 0; i < 4; ++i) offer(queue, 5);
  EXPECT_EQ(queue.take().size(), 2U);
  EXPECT_EQ(queue.take().size(), 2U);
}

TEST(CompletionQueue, ClosingEndsTheGathering) {
  CompletionQueue queue(completion_bounds());
  offer(queue, 2);
  queue.take();
  offer(queue, 1);
  auto next = std::async(std::launch::async, [&] { return queue.take().size(); });
  queue.close();
  EXPECT_EQ(next.get(), 1U);
  EXPECT_TRUE(queue.take().empty());
}

}  // namespace
}  // namespace postern::relay
