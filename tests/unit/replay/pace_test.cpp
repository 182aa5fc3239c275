#include "relay/replay/pace.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

const Time kNow = from_micros(1'000'000'000'000);
const PaceLimits kLimits;

TEST(ReplayPace, OnlyWhatIsDueInTheNextTwoSecondsIsMade) {
  const ReplayPace fresh = replay_pace(kLimits, 10, kNow - 1h, 0, kNow);
  EXPECT_EQ(fresh.allowed, 20U);
  EXPECT_EQ(fresh.first, kNow);
  EXPECT_EQ(fresh.apart, Duration(100ms));
  EXPECT_EQ(replay_pace(kLimits, 10, kNow + 1900ms, 0, kNow).allowed, 1U);
  EXPECT_EQ(replay_pace(kLimits, 10, kNow + 2s, 0, kNow).allowed, 0U);
}

TEST(ReplayPace, APauseIsNotMadeUpFor) {
  // An hour without a step gives no burst of an hour's worth.
  EXPECT_LE(replay_pace(kLimits, 50, kNow - 1h, 0, kNow).allowed, 100U);
}

TEST(ReplayPace, AStepIsBoundedAndSoIsWhatIsOpen) {
  EXPECT_EQ(replay_pace(kLimits, 1000, kNow, 0, kNow).allowed, 100U);
  EXPECT_EQ(replay_pace(kLimits, 1000, kNow, 990, kNow).allowed, 10U);
  EXPECT_EQ(replay_pace(kLimits, 1000, kNow, 1000, kNow).allowed, 0U);
  EXPECT_EQ(replay_pace(kLimits, 1000, kNow, 5000, kNow).allowed, 0U);
}

TEST(ReplayPace, TheSlowestRateGetsOnToo) {
  EXPECT_EQ(replay_pace(kLimits, 1, kNow, 0, kNow).allowed, 2U);
}

TEST(NextStep, GoesOnAtOnceOnlyWhenThereIsMore) {
  EXPECT_EQ(replay_next_step(kLimits, {.filled = true}, kNow + 1s, kNow), kNow);
  EXPECT_EQ(replay_next_step(kLimits, {}, kNow + 2s, kNow), kNow + 1s);
  EXPECT_EQ(replay_next_step(kLimits, {}, kNow - 1s, kNow), kNow);
  EXPECT_GT(replay_next_step(kLimits, {.held_up = true}, kNow, kNow), kNow);
  EXPECT_GT(replay_next_step(kLimits, {.looked_to_the_end = true, .filled = true}, kNow, kNow), kNow);
}

}  // namespace
}  // namespace postern::relay
