// Whose turn it is: targets share alike in bytes, newcomers are not kept waiting, and nobody starves.
#include "tunnel-proto/fair_queue.hpp"

#include <gtest/gtest.h>

#include <list>
#include <map>

namespace postern::tunnel {
namespace {

class FairQueueTest : public testing::Test {
 protected:
  /// A stream of that target, ready.
  Stream& ready(std::uint64_t target) {
    Stream& stream = streams_.emplace_back(next_ += 2, 1 << 20, 1 << 20, SteadyTime());
    stream.target = target;
    queue_.push(stream);
    return stream;
  }
  /// Sends `frames` frames; what each target got to send. `size(target)` is its frames' size.
  template <class Size>
  std::map<std::uint64_t, std::size_t> send(int frames, Size size) {
    std::map<std::uint64_t, std::size_t> bytes;
    for (int i = 0; i < frames; ++i) {
      Stream* const stream = queue_.front();
      if (stream == nullptr) break;
      bytes[stream->target] += size(stream->target);
      queue_.sent(*stream, size(stream->target), true);
    }
    return bytes;
  }

  std::list<Stream> streams_;
  FairQueue queue_;
  StreamId next_ = 1;
};

TEST_F(FairQueueTest, StreamsOfOneTargetTakeTurns) {
  Stream& a = ready(1);
  Stream& b = ready(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(queue_.front(), &a);
    queue_.sent(a, 16'384, true);
    ASSERT_EQ(queue_.front(), &b);
    queue_.sent(b, 16'384, true);
  }
}

TEST_F(FairQueueTest, TargetsShareAlikeHoweverManyStreamsTheyHave) {
  for (int i = 0; i < 60; ++i) ready(1);
  ready(2);
  const auto bytes = send(1000, [](std::uint64_t) { return 16'384U; });
  EXPECT_NEAR(static_cast<double>(bytes.at(1)), static_cast<double>(bytes.at(2)), 2 * 16'384);
}

TEST_F(FairQueueTest, AndHoweverLargeTheirFramesAre) {
  ready(1);
  ready(2);
  const auto bytes = send(20'000, [](std::uint64_t target) { return target == 1 ? 16'384U : 700U; });
  EXPECT_NEAR(static_cast<double>(bytes.at(1)), static_cast<double>(bytes.at(2)), 3 * 16'384);
}

TEST_F(FairQueueTest, ANewcomerComesFirst) {
  for (std::uint64_t target = 1; target < 20; ++target) ready(target);
  (void)send(100, [](std::uint64_t) { return 16'384U; });
  Stream& small = ready(99);
  EXPECT_EQ(queue_.front(), &small);
}

TEST_F(FairQueueTest, WhoKeepsComingBackIsNoNewcomer) {
  ready(1);
  std::size_t bulk = 0;
  std::size_t small = 0;
  Stream* comes_back = &ready(2);
  for (int i = 0; i < 10'000; ++i) {
    Stream* const stream = queue_.front();
    ASSERT_NE(stream, nullptr);
    (stream->target == 1 ? bulk : small) += 16'384;
    queue_.sent(*stream, 16'384, stream->target == 1);
    (void)queue_.front();  // somebody looks while it has nothing
    if (!comes_back->in_ready.is_linked()) queue_.push(*comes_back);
  }
  EXPECT_GE(bulk, small - 2 * 16'384) << "one that asks anew after each frame gets its share and no more";
}

TEST_F(FairQueueTest, WhatIsDestroyedIsNobodysTurn) {
  ready(1);
  ready(2);
  EXPECT_FALSE(queue_.empty());
  streams_.clear();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.front(), nullptr);
  ready(1);
  EXPECT_EQ(queue_.front(), &streams_.back());
}

}  // namespace
}  // namespace postern::tunnel
