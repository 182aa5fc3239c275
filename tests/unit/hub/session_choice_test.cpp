// Which session gets a delivery, and which is asked whether it delivers.
#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "relay/tunnel/probe_policy.hpp"
#include "relay/tunnel/session_choice.hpp"

namespace postern::relay {
namespace {

constexpr Duration ms(int n) {
  return std::chrono::milliseconds(n);
}

TEST(SessionChoice, RoomComesFirst) {
  EXPECT_TRUE(is_better({.busy = 50, .room = 1}, {.busy = 0, .room = 0}));
  EXPECT_FALSE(is_better({.busy = 0, .room = 0}, {.busy = 50, .room = 1}));
}

TEST(SessionChoice, ThenTheShorterWait) {
  EXPECT_TRUE(is_better({.busy = 1, .room = 5}, {.busy = 2, .room = 5}));
  EXPECT_TRUE(
      is_better({.busy = 1, .room = 5, .round_trip = ms(1)}, {.busy = 1, .room = 5, .round_trip = ms(80)}));
  EXPECT_TRUE(
      is_better({.busy = 20, .room = 5, .round_trip = ms(1)}, {.busy = 1, .room = 5, .round_trip = ms(200)}))
      << "a long way counts as a long line";
  EXPECT_FALSE(is_better({.busy = 3, .room = 5}, {.busy = 3, .room = 5}));
}

TEST(SessionChoice, TakesTwoDifferentOnesAndAllPairs) {
  SeededRandom random(1);
  std::set<std::pair<std::size_t, std::size_t>> seen;
  for (int i = 0; i < 2000; ++i) {
    const auto pair = two_of(4, random.unit());
    EXPECT_NE(pair.first, pair.second);
    EXPECT_LT(std::max(pair.first, pair.second), 4U);
    seen.insert(pair);
  }
  EXPECT_EQ(seen.size(), 12U);
  EXPECT_EQ(two_of(2, 0.9999999).first + two_of(2, 0.9999999).second, 1U);
}

const SteadyTime kStart{std::chrono::hours(1)};

TEST(ProbePolicy, ANewSessionIsAskedAtOnceAndLiveWithTheAnswer) {
  ProbePolicy policy(kStart);
  EXPECT_TRUE(policy.due(kStart));
  policy.asked();
  EXPECT_FALSE(policy.due(kStart + ProbePolicy::kEvery));
  EXPECT_EQ(policy.state(), ProbePolicy::State::new_comer);
  policy.heard(kStart + ms(10));
  EXPECT_EQ(policy.state(), ProbePolicy::State::live);
  EXPECT_FALSE(policy.due(kStart + ProbePolicy::kEvery));
  EXPECT_TRUE(policy.due(kStart + ms(10) + ProbePolicy::kEvery));
}

TEST(ProbePolicy, AnswersOfAppsPutTheNextProbeOff) {
  ProbePolicy policy(kStart);
  policy.asked();
  policy.heard(kStart);
  policy.heard(kStart + std::chrono::seconds(50));
  EXPECT_FALSE(policy.due(kStart + std::chrono::seconds(100)));
}

TEST(ProbePolicy, OneThatIsNotAnsweredMakesItDarkAndThreeEndIt) {
  ProbePolicy policy(kStart);
  policy.asked();
  policy.heard(kStart);
  SteadyTime now = kStart + ProbePolicy::kEvery;
  for (unsigned i = 1; i <= ProbePolicy::kFailuresMost; ++i) {
    policy.asked();
    policy.failed(ProbePolicy::Failure::unanswered, now);
    EXPECT_EQ(policy.state(), ProbePolicy::State::dark);
    EXPECT_FALSE(policy.why().empty());
    EXPECT_EQ(policy.hopeless(), i == ProbePolicy::kFailuresMost);
    EXPECT_TRUE(policy.due(now + ProbePolicy::kAgain));
    now += ProbePolicy::kAgain;
  }
}

TEST(ProbePolicy, OneAnswerForgivesAll) {
  ProbePolicy policy(kStart);
  for (int i = 0; i < 2; ++i) policy.failed(ProbePolicy::Failure::unanswered, kStart);
  policy.heard(kStart);
  EXPECT_EQ(policy.state(), ProbePolicy::State::live);
  EXPECT_TRUE(policy.why().empty());
  policy.failed(ProbePolicy::Failure::unanswered, kStart);
  EXPECT_FALSE(policy.hopeless());
}

TEST(ProbePolicy, SlowAppsNeverEndASession) {
  ProbePolicy policy(kStart);
  for (int i = 0; i < 100; ++i) policy.failed(ProbePolicy::Failure::no_credit, kStart);
  EXPECT_EQ(policy.state(), ProbePolicy::State::dark);
  EXPECT_FALSE(policy.hopeless());
}

TEST(ProbePolicy, ANewSessionThatIsNeverGrantedAnythingIsOfNoUse) {
  ProbePolicy policy(kStart);
  for (unsigned i = 1; i < ProbePolicy::kPutOffMost; ++i) policy.put_off(kStart);
  EXPECT_FALSE(policy.hopeless());
  policy.put_off(kStart);
  EXPECT_TRUE(policy.hopeless());
}

}  // namespace
}  // namespace postern::relay
