#include "relay/store/sqlite/write_queue.hpp"

#include <gtest/gtest.h>

#include "relay/store/postgres/append_queue.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct FakeTask final : WriteTask {
  explicit FakeTask(Kind what, std::size_t size = 10) : what(what), size(size) {}
  Kind kind() const override { return what; }
  std::size_t bytes() const override { return size; }
  void run(sqlite::Connection&) override {}
  void settle(const Error*) override {}
  const Kind what;
  const std::size_t size;
};

WriteQueue::Offer offer(WriteQueue& queue, WriteTask::Kind kind, std::size_t size = 10) {
  std::unique_ptr<WriteTask> task = std::make_unique<FakeTask>(kind, size);
  return queue.offer(task);
}

/// Until the clock has moved on: a pressure of nothing and one of a moment must differ.
template <class Queue>
bool grows(const Queue& queue) {
  const auto limit = std::chrono::steady_clock::now() + 30s;
  while (queue.pressure().oldest_append == Duration::zero()) {
    if (std::chrono::steady_clock::now() > limit) return false;
  }
  return true;
}

TEST(WriteQueueTest, SaysHowManyWaitAndHowFullItIs) {
  WriteQueue queue({.appends_max = 10, .append_bytes_max = 1000});
  for (int i = 0; i < 4; ++i) offer(queue, WriteTask::Kind::append);
  offer(queue, WriteTask::Kind::other);
  EXPECT_EQ(queue.pressure().appends_waiting, 4U);
  EXPECT_EQ(queue.pressure().filled, 400U);
  offer(queue, WriteTask::Kind::append, 800);
  EXPECT_EQ(queue.pressure().filled, 840U) << "by bytes, which are fuller";
}

TEST(WriteQueueTest, WhatIsBeingWrittenStillWaits) {
  WriteQueue queue({});
  EXPECT_EQ(queue.pressure().oldest_append, Duration::zero());
  offer(queue, WriteTask::Kind::append);
  EXPECT_TRUE(grows(queue));
  const auto group = queue.take(0ms);
  EXPECT_EQ(group.size(), 1U);
  EXPECT_TRUE(grows(queue)) << "until it is finished";
  const Duration busy = queue.pressure().busy;
  queue.finished();
  const StorePressure after = queue.pressure();
  EXPECT_EQ(after.oldest_append, Duration::zero());
  EXPECT_GE(after.busy, busy);
  EXPECT_EQ(queue.pressure().busy, after.busy) << "idle time is not counted";
  EXPECT_EQ(after.appends_taken, 1U);
}

TEST(AppendQueueTest, TheOldestOfAnyGroupCountsUntilItIsFinished) {
  AppendQueue queue({10, 1000, 1, 1000});
  for (int i = 0; i < 3; ++i) {
    AppendTask task;
    task.bytes = 10;
    ASSERT_EQ(queue.offer(task), AppendQueue::Offer::taken);
  }
  EXPECT_EQ(queue.pressure().filled, 300U);
  const auto first = queue.take(), second = queue.take();
  EXPECT_EQ(queue.pressure().appends_waiting, 1U);
  EXPECT_EQ(queue.pressure().appends_taken, 2U);
  queue.finished(first.number);
  EXPECT_TRUE(grows(queue)) << "the second is under way, the third waits";
  const auto third = queue.take();
  queue.finished(second.number);
  queue.finished(third.number);
  EXPECT_EQ(queue.pressure().oldest_append, Duration::zero());
}

}  // namespace
}  // namespace postern::relay
