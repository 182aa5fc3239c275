#include "relay/limits/gcra.hpp"

#include <gtest/gtest.h>

#include <random>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

SteadyTime at(Duration since_start) {
  return SteadyTime(Duration(1'000'000'000) + since_start);
}

TEST(GcraTest, WithoutALimitEverythingPasses) {
  Gcra gcra;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(gcra.take(RateLimit{}, at(0s)).allowed);
}

TEST(GcraTest, ABurstFromRestAndThenTheRate) {
  Gcra gcra;
  const RateLimit limit{.per_second = 10, .burst = 3};
  for (std::uint32_t left : {2U, 1U, 0U}) {
    const auto verdict = gcra.take(limit, at(0s));
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.remaining, left);
  }
  const auto refused = gcra.take(limit, at(0s));
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 100ms);
  EXPECT_FALSE(gcra.take(limit, at(99ms)).allowed);
  EXPECT_TRUE(gcra.take(limit, at(100ms)).allowed);
  EXPECT_FALSE(gcra.take(limit, at(100ms)).allowed);
}

TEST(GcraTest, ALargeOneNeedsOneAndOwesTheOthers) {
  Gcra gcra;
  const Pace pace{.interval = 100ms, .burst = 3};
  EXPECT_TRUE(gcra.take(pace, at(0s), 5).allowed);
  const auto refused = gcra.take(pace, at(0s), 1);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 300ms);
  EXPECT_FALSE(gcra.take(pace, at(299ms), 100).allowed);
  EXPECT_TRUE(gcra.take(pace, at(300ms)).allowed) << "what was refused owes nothing";
}

TEST(GcraTest, LookingTakesNothing) {
  Gcra gcra;
  const RateLimit limit{.per_second = 1, .burst = 1};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(gcra.look(limit, at(0s)).allowed);
  EXPECT_TRUE(gcra.take(limit, at(0s)).allowed);
  EXPECT_EQ(gcra.look(limit, at(0s)).retry_after, 1s);
}

// The model: a bucket that leaks by itself. Each request pours one interval in; it overflows above the burst.
struct LeakyBucket {
  std::int64_t level = 0;  ///< microseconds of leaking
  SteadyTime last{};

  bool take(const RateLimit& limit, SteadyTime now) {
    const std::int64_t interval = (1'000'000 + limit.per_second - 1) / limit.per_second;
    const std::int64_t size = interval * (limit.burst == 0 ? limit.per_second : limit.burst);
    level = std::max<std::int64_t>(level - Duration(now - last).count(), 0);
    last = now;
    if (level + interval > size) return false;
    level += interval;
    return true;
  }
};

TEST(GcraModelTest, AgreesWithALeakyBucketOver100000Lives) {
  for (std::uint64_t seed = 1; seed <= 100'000; ++seed) {
    std::mt19937_64 dice(seed);
    const RateLimit limit{.per_second = static_cast<std::uint32_t>(1 + dice() % (dice() % 2 ? 10 : 5'000)),
                          .burst = static_cast<std::uint32_t>(dice() % 6)};
    const Duration step(2'000'000 / limit.per_second);
    Gcra gcra;
    LeakyBucket model;
    SteadyTime now = at(Duration(dice() % 1'000'000));
    for (int i = 0; i < 30; ++i) {
      now += Duration(static_cast<std::int64_t>(dice() % 3) == 0 ? 0 : dice() % step.count());
      const auto looked = gcra.look(limit, now);
      const auto verdict = gcra.take(limit, now);
      ASSERT_EQ(verdict.allowed, model.take(limit, now)) << "seed " << seed << " request " << i;
      ASSERT_EQ(verdict.allowed, looked.allowed) << "seed " << seed;
      if (verdict.allowed) continue;
      // The wait it names is exact: a microsecond less is refused, that long is let through.
      ASSERT_FALSE(gcra.look(limit, now + verdict.retry_after - Duration(1)).allowed) << "seed " << seed;
      ASSERT_TRUE(gcra.look(limit, now + verdict.retry_after).allowed) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace postern::relay
