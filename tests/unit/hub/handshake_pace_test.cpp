#include "relay/tunnel/handshake_pace.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kStart(seconds(1000));

/// How many begin from `from` to `until`, when there are always more who want to.
int begun(HandshakePace& pace, SteadyTime from, SteadyTime until) {
  int count = 0;
  for (SteadyTime now = from; now < until;) {
    const Duration wait = pace.wait(now);
    if (wait == Duration(0)) {
      pace.begin();
      ++count;
    }
    now += wait;
  }
  return count;
}

TEST(HandshakePace, AFewBeginAtOnceAndTheNextWaits) {
  HandshakePace pace({}, kStart);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pace.wait(kStart), Duration(0));
    pace.begin();
  }
  EXPECT_GT(pace.wait(kStart), Duration(0));
  EXPECT_LE(pace.wait(kStart), milliseconds(20));
}

TEST(HandshakePace, TheRateGrowsToTheEndOfTheRamp) {
  HandshakePace pace({50, 500, seconds(10)}, kStart);
  EXPECT_NEAR(begun(pace, kStart, kStart + seconds(1)), 50 + 72, 3);
  (void)begun(pace, kStart + seconds(1), kStart + seconds(9));
  EXPECT_NEAR(begun(pace, kStart + seconds(9), kStart + seconds(10)), 477, 5);
}

TEST(HandshakePace, AThousandHaveBegunWithinSevenSeconds) {
  HandshakePace pace({}, kStart);
  EXPECT_GE(begun(pace, kStart, kStart + seconds(7)), 1000);
}

TEST(HandshakePace, AfterTheRampThereIsNone) {
  HandshakePace pace({50, 500, seconds(10)}, kStart);
  for (int i = 0; i < 100'000; ++i) pace.begin();
  EXPECT_GT(pace.wait(kStart + seconds(9)), Duration(0));
  EXPECT_EQ(pace.wait(kStart + seconds(10)), Duration(0));
}

TEST(HandshakePace, WhatNobodyUsesIsKeptForASecondOnly) {
  HandshakePace pace({50, 500, seconds(10)}, kStart);
  const SteadyTime late = kStart + seconds(5);
  EXPECT_NEAR(begun(pace, late, late + milliseconds(1)), 275, 2);
}

TEST(HandshakePace, NoRampIsNoPace) {
  HandshakePace pace({50, 500, Duration(0)}, kStart);
  for (int i = 0; i < 1000; ++i) pace.begin();
  EXPECT_EQ(pace.wait(kStart), Duration(0));
}

}  // namespace
}  // namespace postern::relay
