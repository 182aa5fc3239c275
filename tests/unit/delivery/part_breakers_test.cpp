#include "relay/delivery/part_breakers.hpp"

#include <gtest/gtest.h>

#include "relay/delivery/attempt_health.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct PartBreakersTest : testing::Test {
  void fails(const std::string& part, int count) {
    for (int i = 0; i < count; ++i) parts.record(part, parts.begin(part).round, Health::bad);
  }
  bool waits(const std::string& part) { return parts.begin(part).wait.has_value(); }

  ManualClock clock;
  PartBreakers parts{clock, BreakerPolicy{}};
};

TEST_F(PartBreakersTest, OneThatIsDownHoldsUpNoOther) {
  fails("a.paid", 10);
  EXPECT_EQ(parts.begin("a.paid").wait, 30s);
  EXPECT_FALSE(waits("a.created"));
  ASSERT_EQ(parts.not_closed().size(), 1U);
  EXPECT_EQ(parts.not_closed()[0].part, "a.paid");
  EXPECT_EQ(parts.not_closed()[0].breaker.probe_at, clock.now() + 30s);
  EXPECT_EQ(parts.not_closed()[0].failures.in_a_row, 10U);
}

TEST_F(PartBreakersTest, ThreeProbeAndCloseIt) {
  fails("a", 10);
  clock.advance(30s);
  std::array<std::uint64_t, 3> rounds{};
  for (auto& round : rounds) round = parts.begin("a").round;
  EXPECT_EQ(parts.begin("a").wait, PartBreakers::kAskAgain);
  EXPECT_FALSE(parts.record("a", rounds[0], Health::good));
  EXPECT_FALSE(parts.record("a", rounds[1], Health::good));
  EXPECT_TRUE(parts.record("a", rounds[2], Health::good));
  EXPECT_TRUE(parts.not_closed().empty());
  EXPECT_FALSE(waits("a"));
}

TEST_F(PartBreakersTest, ABadProbeOpensItForTwiceAsLong) {
  fails("a", 10);
  clock.advance(30s);
  fails("a", 1);
  EXPECT_EQ(parts.begin("a").wait, 60s);
}

TEST_F(PartBreakersTest, AProbeThatSaysNothingGivesItsPlaceBack) {
  fails("a", 10);
  clock.advance(30s);
  for (int i = 0; i < 10; ++i) {
    const auto pass = parts.begin("a");
    ASSERT_FALSE(pass.wait);
    parts.record("a", pass.round, Health::silent);
  }
}

TEST_F(PartBreakersTest, ProbesThatNeverTellAreGivenUp) {
  fails("a", 10);
  clock.advance(30s);
  for (int i = 0; i < 3; ++i) parts.begin("a");
  clock.advance(PartBreakers::kProbesLost - 1s);
  EXPECT_TRUE(waits("a"));
  clock.advance(1s);
  EXPECT_FALSE(waits("a"));
}

TEST_F(PartBreakersTest, AResetClosesAllAndAPolicyIsForAll) {
  fails("a", 10);
  fails("b", 10);
  parts.reset();
  EXPECT_TRUE(parts.not_closed().empty());
  fails("a", 10);
  BreakerPolicy off;
  off.enabled = false;
  parts.configure(off);
  fails("a", 100);
  fails("new", 100);
  EXPECT_TRUE(parts.not_closed().empty());
}

TEST_F(PartBreakersTest, ABoundedNumberIsRememberedOpenOnesLongest) {
  fails("down", 10);
  for (std::size_t i = 0; i < 2 * PartBreakers::kMost; ++i) parts.begin(std::to_string(i));
  EXPECT_EQ(parts.remembered(), PartBreakers::kMost);
  EXPECT_TRUE(waits("down"));
  for (std::size_t i = 0; i < PartBreakers::kMost; ++i) fails("down" + std::to_string(i), 10);
  EXPECT_EQ(parts.remembered(), PartBreakers::kMost);
  EXPECT_FALSE(waits("down")) << "forgotten, and tried";
  parts.record("down1", 1, Health::bad);
  parts.record("unheard of", 1, Health::bad);
}

TEST(WholeHealth, WhatConcernedOnePartSaysNothingOfTheOthers) {
  AttemptResult result;
  result.attempt.outcome = Outcome::rejected;
  result.attempt.response_status = 503;
  EXPECT_EQ(whole_health_of(result), Health::bad);
  result.part = "a";
  EXPECT_EQ(whole_health_of(result), Health::silent);
  EXPECT_EQ(health_of(result), Health::bad);
  result.attempt.outcome = Outcome::maybe_sent;
  EXPECT_EQ(whole_health_of(result), Health::bad) << "nobody answers at all";
  result.attempt.outcome = Outcome::delivered;
  EXPECT_EQ(whole_health_of(result), Health::good);
}

}  // namespace
}  // namespace postern::relay
