#include "base/http/body_rate.hpp"

#include <gtest/gtest.h>

namespace postern::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{seconds(1000)};

/// When a sender that puts `bytes` every `gap` is called slow, looking as often as the rate asks to be looked
/// at.
std::optional<Duration> called_slow(std::size_t bytes, Duration gap, Duration until) {
  BodyRate rate(1024, seconds(30), kStart);
  SteadyTime next_bytes = kStart + gap;
  while (true) {
    const SteadyTime look = rate.next_look();
    if (look > kStart + until) return std::nullopt;
    for (; next_bytes <= look; next_bytes += gap) rate.add(bytes, next_bytes);
    if (rate.too_slow(look)) return look - kStart;
  }
}

TEST(BodyRate, AByteNowAndThenIsSlowAfterOneWindow) {
  EXPECT_EQ(called_slow(1, seconds(9), seconds(300)), seconds(30));
}

TEST(BodyRate, SilenceIsSlowAfterOneWindow) {
  EXPECT_EQ(called_slow(0, seconds(1), seconds(300)), seconds(30));
}

TEST(BodyRate, AboveTheRateIsNeverSlow) {
  EXPECT_EQ(called_slow(1100, seconds(1), seconds(3600)), std::nullopt);
}

TEST(BodyRate, BurstsCountOnTheirAverage) {
  EXPECT_EQ(called_slow(20 * 1024, seconds(10), seconds(3600)), std::nullopt);
}

TEST(BodyRate, AStallAfterABurstIsSeenWithinAWindowAndAnEighth) {
  BodyRate rate(1024, seconds(30), kStart);
  rate.add(1 << 20, kStart + milliseconds(10));
  EXPECT_FALSE(rate.too_slow(kStart + seconds(30)));
  EXPECT_TRUE(rate.too_slow(kStart + milliseconds(33'750)));
}

TEST(BodyRate, ALongSilenceIsOneStep) {
  BodyRate rate(1024, seconds(30), kStart);
  const SteadyTime later = kStart + std::chrono::hours(24 * 365);
  EXPECT_TRUE(rate.too_slow(later));
  EXPECT_GT(rate.next_look(), later);
}

}  // namespace
}  // namespace postern::http
