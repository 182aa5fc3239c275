#include <gtest/gtest.h>

#include <thread>

#include "relay/limits/local_limiter.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{std::chrono::hours(1)};

TEST(GcraBasics, LetsABurstThroughAndThenThePace) {
  Gcra gcra;
  const RateLimit limit{10, 3};
  EXPECT_EQ(gcra.take(limit, kStart).remaining, 2U);
  EXPECT_EQ(gcra.take(limit, kStart).remaining, 1U);
  EXPECT_EQ(gcra.take(limit, kStart).remaining, 0U);
  const auto refused = gcra.take(limit, kStart);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 100ms);
  EXPECT_EQ(refused.reset_after, 300ms);
  EXPECT_FALSE(gcra.take(limit, kStart + 100ms - 1us).allowed);
  EXPECT_TRUE(gcra.take(limit, kStart + 100ms).allowed);
}

TEST(GcraBasics, APaceMayBeSlowerThanOneASecond) {
  Gcra gcra;
  const Pace pace{6s, 2};
  EXPECT_TRUE(gcra.take(pace, kStart).allowed);
  EXPECT_TRUE(gcra.take(pace, kStart).allowed);
  EXPECT_EQ(gcra.take(pace, kStart).retry_after, 6s);
}

TEST(GcraBasics, GivingBackUndoesATake) {
  Gcra gcra;
  const RateLimit limit{10, 2};
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(gcra.take(limit, kStart).allowed) << i;
    gcra.give_back(limit.pace());
  }
  EXPECT_TRUE(gcra.take(limit, kStart).allowed);
  EXPECT_TRUE(gcra.take(limit, kStart).allowed);
  EXPECT_FALSE(gcra.take(limit, kStart).allowed);
}

TEST(LocalLimiter, KeepsKeysApart) {
  LocalLimiter limiter;
  EXPECT_TRUE(limiter.take("a", {1, 1}, kStart).allowed);
  EXPECT_FALSE(limiter.take("a", {1, 1}, kStart).allowed);
  EXPECT_TRUE(limiter.take("b", {1, 1}, kStart).allowed);
  limiter.give_back("a", {1, 1}, kStart);
  EXPECT_TRUE(limiter.take("a", {1, 1}, kStart).allowed);
}

TEST(LocalLimiter, KeepsNothingOfWhatIsUnlimited) {
  LocalLimiter limiter;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.take(std::to_string(i), {}, kStart).allowed);
  limiter.give_back("1", {}, kStart);
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST(LocalLimiter, ForgetsWhatIsNearestToRestFirst) {
  LocalLimiter limiter(16 * 4);
  const RateLimit limit{1, 100};
  while (limiter.take("busy", limit, kStart).allowed) {
  }
  for (int i = 0; i < 1000; ++i) limiter.take(std::to_string(i), limit, kStart + i * 10ms);
  EXPECT_LE(limiter.keys(), 64U);
  EXPECT_LT(limiter.take("busy", limit, kStart + 10s).remaining, 20U) << "was forgotten";
}

TEST(LocalLimiter, MakesRoomForAllOfAShardAtOnceWhenItIsAtRest) {
  LimiterTable table(1000, 1);
  const auto take = [&](const std::string& key, SteadyTime now) {
    table.use(key, now, [&](LimiterTable::Entry& entry) { return entry.gcra.take(RateLimit{1, 1}, now); });
  };
  for (int i = 0; i < 1000; ++i) take(std::to_string(i), kStart);
  take("one more", kStart + 2s);
  EXPECT_EQ(table.size(), 1U);
}

TEST(LocalLimiter, IsBoundedWhenNothingIsAtRest) {
  LocalLimiter limiter(160);
  for (int i = 0; i < 100'000; ++i) limiter.take(std::to_string(i), {1, 100}, kStart);
  EXPECT_LE(limiter.keys(), 160U);
  EXPECT_GE(limiter.keys(), 100U);
}

TEST(LocalLimiter, LetsThroughExactlyTheBurstWhenManyThreadsTakeAtOnce) {
  LocalLimiter limiter;
  std::atomic<int> allowed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5000; ++i) allowed += limiter.take("one", {1, 1000}, kStart).allowed;
      });
    }
  }
  EXPECT_EQ(allowed, 1000);
}

}  // namespace
}  // namespace postern::relay
