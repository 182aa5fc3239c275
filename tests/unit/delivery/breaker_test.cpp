#include "relay/delivery/breaker.hpp"

#include <gtest/gtest.h>

#include "relay/delivery/attempt_health.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct BreakerTest : testing::Test {
  void attempts(Health health, int count) {
    for (int i = 0; i < count; ++i) changed = breaker.record(breaker.begin(), health, now);
  }
  void half_open() {
    attempts(Health::bad, 10);
    now += 30s;
    ASSERT_TRUE(breaker.elapse(now));
  }
  Duration open_for() const { return breaker.snapshot().probe_at - now; }

  Breaker breaker;
  Time now{std::chrono::days(20'000)};
  bool changed = false;
};

TEST_F(BreakerTest, OpensAfterTenFailuresInARow) {
  attempts(Health::good, 100);
  attempts(Health::bad, 9);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  attempts(Health::bad, 1);
  EXPECT_TRUE(changed);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_FALSE(breaker.lets_through());
  EXPECT_EQ(open_for(), 30s);
  EXPECT_EQ(breaker.counts(now).in_a_row, 10U);
}

TEST_F(BreakerTest, OpensAtHalfOfTenAttemptsButNotOfNine) {
  for (int i = 0; i < 4; ++i) attempts(Health::bad, 1), attempts(Health::good, 1);
  attempts(Health::bad, 1);  // 5 of 9
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  attempts(Health::bad, 1);  // 6 of 10
  EXPECT_EQ(breaker.state(), BreakerState::open);
}

TEST_F(BreakerTest, FailuresOlderThanTheWindowAreForgotten) {
  attempts(Health::good, 1);
  attempts(Health::bad, 8);
  now += 5min + 30s;
  attempts(Health::good, 1);
  attempts(Health::bad, 1);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_EQ(breaker.counts(now).attempts, 2U);
}

TEST_F(BreakerTest, WhatSaysNothingCountsForNothing) {
  attempts(Health::silent, 100);
  EXPECT_EQ(breaker.counts(now).attempts, 0U);
  attempts(Health::bad, 9);
  attempts(Health::silent, 5);
  attempts(Health::bad, 1);
  EXPECT_EQ(breaker.state(), BreakerState::open) << "silence interrupts no row of failures";
}

TEST_F(BreakerTest, ThreeGoodProbesCloseIt) {
  half_open();
  EXPECT_EQ(breaker.probes_left(), 3U);
  const auto round = breaker.begin();
  breaker.begin();
  breaker.begin();
  EXPECT_FALSE(breaker.lets_through()) << "three at once";
  EXPECT_FALSE(breaker.record(round, Health::good, now));
  EXPECT_FALSE(breaker.lets_through()) << "three in all";
  EXPECT_FALSE(breaker.record(round, Health::good, now));
  EXPECT_TRUE(breaker.record(round, Health::good, now));
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_EQ(breaker.counts(now).failures, 0U);
}

TEST_F(BreakerTest, ASilentProbeGivesItsPlaceBack) {
  half_open();
  const auto round = breaker.begin();
  breaker.record(round, Health::silent, now);
  EXPECT_EQ(breaker.probes_left(), 3U);
}

TEST_F(BreakerTest, EachReopeningDoublesTheWaitUpToTenMinutesAndAClosingResetsIt) {
  attempts(Health::bad, 10);
  std::vector<Duration> waits;
  for (int i = 0; i < 7; ++i) {
    waits.push_back(open_for());
    now = breaker.snapshot().probe_at;
    ASSERT_TRUE(breaker.elapse(now));
    ASSERT_TRUE(breaker.record(breaker.begin(), Health::bad, now));
  }
  EXPECT_EQ(waits, (std::vector<Duration>{30s, 60s, 120s, 240s, 480s, 600s, 600s}));
  now = breaker.snapshot().probe_at;
  breaker.elapse(now);
  attempts(Health::good, 3);
  ASSERT_EQ(breaker.state(), BreakerState::closed);
  attempts(Health::bad, 10);
  EXPECT_EQ(open_for(), 30s);
}

TEST_F(BreakerTest, AttemptsOfAnEarlierRoundJudgeNothing) {
  const auto before = breaker.begin();
  half_open();
  const auto probe = breaker.begin();
  EXPECT_FALSE(breaker.record(before, Health::bad, now)) << "it hung since before the opening";
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
  EXPECT_TRUE(breaker.record(probe, Health::bad, now));
  now = breaker.snapshot().probe_at;
  ASSERT_TRUE(breaker.elapse(now));
  EXPECT_FALSE(breaker.record(probe, Health::bad, now)) << "a probe of the round before";
  EXPECT_EQ(breaker.probes_left(), 3U);
}

TEST_F(BreakerTest, StaysOpenUntilItsTimeUnlessThereIsAReason) {
  attempts(Health::bad, 10);
  now += 29s;
  EXPECT_FALSE(breaker.elapse(now));
  breaker.probe_soon(now);
  EXPECT_TRUE(breaker.elapse(now));
}

TEST_F(BreakerTest, ResetForgetsEverything) {
  attempts(Health::bad, 10);
  EXPECT_TRUE(breaker.reset(now));
  EXPECT_FALSE(breaker.reset(now));
  attempts(Health::bad, 9);
  const auto before = breaker.begin();
  breaker.reset(now);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(breaker.record(before, Health::bad, now));
  EXPECT_EQ(breaker.counts(now).failures, 0U) << "nor does what was under way count";
}

TEST_F(BreakerTest, SwitchedOffItNeverOpens) {
  attempts(Health::bad, 10);
  BreakerPolicy off;
  off.enabled = false;
  breaker.configure(off, now);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  attempts(Health::bad, 1000);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

TEST_F(BreakerTest, FewerProbesAskedForInTheMiddleStillCloseIt) {
  half_open();
  attempts(Health::good, 2);
  BreakerPolicy one;
  one.probes = 1;
  breaker.configure(one, now);
  EXPECT_EQ(breaker.probes_left(), 1U);
  attempts(Health::good, 1);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

TEST_F(BreakerTest, ItsStateTravels) {
  attempts(Health::bad, 10);
  Breaker other;
  const auto round = other.begin();
  EXPECT_TRUE(other.restore(breaker.snapshot(), now));
  EXPECT_EQ(other.snapshot(), breaker.snapshot());
  EXPECT_FALSE(other.record(round, Health::good, now));
  EXPECT_FALSE(other.restore(breaker.snapshot(), now));
  now += 30s;
  EXPECT_TRUE(other.elapse(now));
}

TEST_F(BreakerTest, WhatIsClosedElsewhereIsClosedHereWithACleanSlate) {
  const BreakerSnapshot closed = breaker.snapshot();
  attempts(Health::bad, 9);
  EXPECT_FALSE(breaker.restore(closed, now));
  attempts(Health::bad, 9);
  EXPECT_EQ(breaker.state(), BreakerState::closed) << "the nine before count no more";
  attempts(Health::bad, 1);
  EXPECT_TRUE(breaker.restore(closed, now));
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_EQ(breaker.snapshot().openings, 0U);
}

TEST_F(BreakerTest, OneNodesProbesAreEnoughUntilTheyTakeTooLong) {
  half_open();
  const BreakerSnapshot probing = breaker.snapshot();
  Breaker closed, waiting;
  EXPECT_TRUE(closed.restore(probing, now));
  EXPECT_EQ(closed.state(), BreakerState::open);
  EXPECT_EQ(closed.snapshot().probe_at, now + Breaker::kProbesTake);
  waiting.restore({BreakerState::open, now - 30s, now + 1s, 1}, now);
  EXPECT_FALSE(waiting.restore(probing, now));
  EXPECT_EQ(waiting.snapshot().probe_at, now + Breaker::kProbesTake);
  EXPECT_TRUE(waiting.elapse(now + Breaker::kProbesTake)) << "nothing was heard since";
  const auto round = waiting.begin();
  EXPECT_FALSE(waiting.restore(probing, now)) << "its own probes go on";
  EXPECT_EQ(waiting.probing(), 1U);
  EXPECT_FALSE(waiting.record(round, Health::good, now));
  EXPECT_EQ(waiting.probes_left(), 2U);
}

TEST_F(BreakerTest, AProbeThatFailedElsewhereEndsTheProbingHere) {
  half_open();
  const auto round = breaker.begin();
  EXPECT_TRUE(breaker.restore({BreakerState::open, now, now + 60s, 2}, now));
  EXPECT_EQ(open_for(), 60s);
  EXPECT_FALSE(breaker.record(round, Health::good, now));
  EXPECT_EQ(breaker.state(), BreakerState::open);
  now += 60s;
  ASSERT_TRUE(breaker.elapse(now));
  attempts(Health::bad, 1);
  EXPECT_EQ(open_for(), 120s) << "the doubling goes on";
}

TEST_F(BreakerTest, AnotherNodesClockCannotCloseItOffForLongerThanThePolicy) {
  breaker.restore({BreakerState::open, now + 24h, Time::max(), 1}, now);
  EXPECT_EQ(open_for(), 10min);
  EXPECT_EQ(breaker.snapshot().since, now);
}

TEST_F(BreakerTest, SwitchedOffItBelievesNobody) {
  BreakerPolicy off;
  off.enabled = false;
  breaker.configure(off, now);
  EXPECT_FALSE(breaker.restore({BreakerState::open, now, now + 60s, 1}, now));
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

AttemptResult answered(int status) {
  AttemptResult result;
  result.attempt.outcome = status / 100 == 2 ? Outcome::delivered : Outcome::rejected;
  result.attempt.response_status = status;
  return result;
}
AttemptResult failed(Outcome outcome, std::string code, bool counted = true) {
  AttemptResult result;
  result.attempt.outcome = outcome;
  result.attempt.counted = counted;
  result.attempt.error_code = std::move(code);
  return result;
}

TEST(AttemptHealthTest, WhoJudgesTheEventIsUp) {
  for (const int status : {200, 204, 301, 400, 401, 404, 410, 422}) {
    EXPECT_EQ(health_of(answered(status)), Health::good) << status;
  }
}

TEST(AttemptHealthTest, DownOrOverloadedIsBad) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(health_of(answered(status)), Health::bad) << status;
  }
  for (const char* code : {"timeout", "read_failed", "write_failed"}) {
    EXPECT_EQ(health_of(failed(Outcome::maybe_sent, code)), Health::bad) << code;
  }
  for (const char* code : {"connect_failed", "connect_timeout", "dns_failed", "tls_failed"}) {
    EXPECT_EQ(health_of(failed(Outcome::not_sent, code)), Health::bad) << code;
  }
}

TEST(AttemptHealthTest, OurFaultsAndTheAgentsAbsenceSayNothing) {
  for (const char* code : {"agent_away", "internal_error", "local_resources", "paced", "timeout"}) {
    EXPECT_EQ(health_of(failed(Outcome::not_sent, code, false)), Health::silent) << code;
  }
  EXPECT_EQ(health_of(failed(Outcome::not_sent, "not_allowed")), Health::silent);
  EXPECT_EQ(health_of(failed(Outcome::maybe_sent, "connection_lost")), Health::silent);
  AttemptResult unusable = failed(Outcome::not_sent, "invalid_url");
  unusable.final = true;
  EXPECT_EQ(health_of(unusable), Health::silent);
}

}  // namespace
}  // namespace postern::relay
