#include <gtest/gtest.h>

#include "relay/overload/load_policy.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct LoadPolicyTest : testing::Test {
  /// The same sample every 25 ms; the level after the last of them.
  LoadLevel stays(const LoadSample& sample, Duration for_how_long) {
    LoadLevel level = LoadLevel::calm;
    for (const SteadyTime end = now + for_how_long; now <= end; now += 25ms) level = policy.look(sample, now);
    return level;
  }
  LoadLevel waits(Duration wait, Duration for_how_long) { return stays({.store_wait = wait}, for_how_long); }

  LoadPolicy policy{500ms};
  SteadyTime now{1h};
};

TEST_F(LoadPolicyTest, GivesUpInOrderAsTheWaitGrows) {
  EXPECT_EQ(waits(99ms, 2s), LoadLevel::calm);
  EXPECT_EQ(waits(101ms, 250ms), LoadLevel::no_reads);
  EXPECT_EQ(waits(201ms, 250ms), LoadLevel::no_replays);
  EXPECT_EQ(waits(301ms, 250ms), LoadLevel::no_retries);
  EXPECT_EQ(waits(501ms, 250ms), LoadLevel::few_events);
  EXPECT_EQ(waits(1001ms, 250ms), LoadLevel::no_events);
}

TEST_F(LoadPolicyTest, ABurstIsNotALoad) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(waits(400ms, 150ms), LoadLevel::calm) << "stayed for less than the interval";
    EXPECT_EQ(waits(0ms, 25ms), LoadLevel::calm) << "and was gone in between";
  }
}

TEST_F(LoadPolicyTest, EventsAreRefusedSoonAndTakenAgainAtHalf) {
  EXPECT_EQ(policy.look({.store_wait = 600ms}, now), LoadLevel::calm) << "one look is not enough";
  EXPECT_EQ(waits(600ms, 50ms), LoadLevel::few_events);
  EXPECT_EQ(waits(251ms, 5s), LoadLevel::few_events) << "between half and whole nothing changes";
  EXPECT_LT(waits(249ms, 0ms), LoadLevel::few_events);
}

TEST_F(LoadPolicyTest, WhatRefusesEventsKeepsTheRestWaiting) {
  EXPECT_EQ(waits(600ms, 300ms), LoadLevel::few_events);
  EXPECT_EQ(waits(260ms, 300ms), LoadLevel::few_events);
  EXPECT_EQ(waits(240ms, 300ms), LoadLevel::no_retries) << "above half of what retries stand";
  EXPECT_EQ(waits(600ms, 300ms), LoadLevel::few_events);
}

TEST_F(LoadPolicyTest, ALevelEndsAfterASecondBelowHalf) {
  EXPECT_EQ(waits(350ms, 300ms), LoadLevel::no_retries);
  EXPECT_EQ(waits(0ms, 975ms), LoadLevel::no_retries);
  EXPECT_EQ(waits(160ms, 200ms), LoadLevel::no_retries) << "not relieved after all: counted from here anew";
  EXPECT_EQ(waits(0ms, 975ms), LoadLevel::no_retries);
  EXPECT_EQ(waits(0ms, 100ms), LoadLevel::calm);
}

TEST_F(LoadPolicyTest, ASlowCommitNowAndThenKeepsNoLevelOn) {
  EXPECT_EQ(waits(350ms, 300ms), LoadLevel::no_retries);
  LoadLevel level = LoadLevel::no_retries;
  for (int i = 0; i < 6; ++i) {
    waits(0ms, 150ms);
    level = waits(180ms, 150ms);
  }
  EXPECT_EQ(level, LoadLevel::calm) << "each event waits for its own commit, and none for another's";
}

TEST_F(LoadPolicyTest, LeavesLevelByLevel) {
  EXPECT_EQ(waits(350ms, 300ms), LoadLevel::no_retries);
  EXPECT_EQ(waits(120ms, 1100ms), LoadLevel::no_replays);
  EXPECT_EQ(waits(60ms, 1100ms), LoadLevel::no_reads);
  EXPECT_EQ(waits(40ms, 1100ms), LoadLevel::calm);
}

TEST_F(LoadPolicyTest, AFullQueueCountsWhateverTheWait) {
  EXPECT_EQ(stays({.filled = 251}, 250ms), LoadLevel::no_reads);
  EXPECT_EQ(stays({.filled = 760}, 250ms), LoadLevel::few_events);
  EXPECT_EQ(stays({.filled = 901}, 250ms), LoadLevel::no_events);
  EXPECT_EQ(stays({.filled = 374}, 0ms), LoadLevel::no_retries);
}

TEST_F(LoadPolicyTest, WhatTheLoopsAreBehindRefusesNoEvents) {
  EXPECT_EQ(stays({.loop_wait = 101ms}, 250ms), LoadLevel::no_reads);
  EXPECT_EQ(stays({.loop_wait = 1h}, 2s), LoadLevel::no_retries);
  EXPECT_EQ(stays({.store_wait = 499ms, .loop_wait = 1h}, 2s), LoadLevel::no_retries);
  EXPECT_EQ(stays({.store_wait = 501ms, .loop_wait = 1h}, 100ms), LoadLevel::few_events);
}

TEST_F(LoadPolicyTest, AllThatAnAnswerWaitsForCountsTogetherForTheOthers) {
  EXPECT_EQ(stays({.store_wait = 160ms, .loop_wait = 160ms}, 250ms), LoadLevel::no_retries);
}

TEST_F(LoadPolicyTest, UnrecordedOutcomesRefuseNoEvents) {
  EXPECT_EQ(stays({.outcome_wait = 1h}, 2s), LoadLevel::no_retries);
}

TEST_F(LoadPolicyTest, CanBeSwitchedOff) {
  LoadPolicy off{0ms};
  for (int i = 0; i < 100; ++i, now += 25ms)
    EXPECT_EQ(off.look({.store_wait = 1h, .outcome_wait = 1h, .filled = 1000}, now), LoadLevel::calm);
}

TEST(LoadLevelTest, EveryKindOfWorkIsGivenUpBeforeTheNextDearerOne) {
  EXPECT_LT(gives_up(Work::reads), gives_up(Work::replays));
  EXPECT_LT(gives_up(Work::replays), gives_up(Work::retries));
  EXPECT_LT(gives_up(Work::retries), gives_up(Work::events));
}

}  // namespace
}  // namespace postern::relay
