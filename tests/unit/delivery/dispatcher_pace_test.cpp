// Breaker, rate and retry budget in the whole dispatcher.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct DispatcherPaceTest : testing::Test {
  void TearDown() override {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
  }
  void start_direct(std::uint64_t n = 1) {
    rig.start();
    ASSERT_TRUE(rig.becomes([&] {
      const auto status = rig.dispatcher->status(nth<DestinationId>(n));
      return status && status->mode == QueueMode::direct;
    }));
  }
  BreakerState breaker(std::uint64_t n = 1) {
    return rig.dispatcher->status(nth<DestinationId>(n))->breaker.state;
  }
  bool mode_becomes(QueueMode mode) {
    return rig.becomes([&] {
      const auto status = rig.dispatcher->status(nth<DestinationId>(1));
      return status && status->mode == mode;
    });
  }
  bool breaker_becomes(BreakerState state, std::uint64_t n = 1) {
    return rig.becomes([&] { return breaker(n) == state; });
  }
  std::size_t attempts() {
    const std::lock_guard lock(rig.board.mutex);
    return rig.driver.attempts;
  }
  FakeEventLog::Row row(DeliveryId id) {
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->rows.at(id);
  }
  std::vector<DeliveryId> started(std::uint64_t n = 1) {
    const std::lock_guard lock(rig.board.mutex);
    return rig.driver.started[nth<DestinationId>(n)];
  }
  bool settled(DeliveryState state, std::size_t count) {
    return rig.eventually([&] { return rig.log->in_state(state) == count; });
  }
  std::vector<DeliveryId> append(int count, std::uint64_t n = 1) {
    std::vector<DeliveryId> sent;
    for (int i = 0; i < count; ++i) sent.push_back(rig.append(n));
    return sent;
  }
  /// Down after `count` deliveries: ten have failed, one at a time, and the others are parked.
  std::vector<DeliveryId> break_it(int count) {
    rig.destination(1).concurrency = 1;
    rig.destination(1).retry_schedule = std::vector<Duration>(11, Duration(0));
    for (Duration& wait : rig.destination(1).retry_schedule) wait = 1h;
    rig.destination(1).retry_schedule.front() = 0s;
    rig.driver.script = [this](const AttemptJob&) { return answers(up ? 200 : 503); };
    start_direct();
    auto sent = append(count);
    EXPECT_TRUE(breaker_becomes(BreakerState::open));
    EXPECT_TRUE(settled(DeliveryState::parked, static_cast<std::size_t>(count) - 10));
    return sent;
  }

  DispatcherRig rig;
  std::atomic<bool> up{false};
};

TEST_F(DispatcherPaceTest, ADownDestinationIsParkedWithoutBurningAttempts) {
  const auto sent = break_it(50);
  EXPECT_EQ(attempts(), 10U);
  EXPECT_EQ(row(sent[0]).delivery.attempt_count, 1U) << "what failed before counts as always";
  EXPECT_EQ(row(sent[0]).delivery.reason, "http_503");
  EXPECT_EQ(row(sent[49]).delivery.attempt_count, 0U);
  EXPECT_EQ(row(sent[49]).delivery.reason, "breaker_open");
  const auto late = append(5);
  ASSERT_TRUE(settled(DeliveryState::parked, 45));
  EXPECT_EQ(row(late[0]).delivery.reason, "breaker_open") << "new ones are parked as they are committed";
  const auto status = rig.dispatcher->status(nth<DestinationId>(1));
  EXPECT_EQ(status->mode, QueueMode::broken);
  EXPECT_EQ(status->failures.in_a_row, 10U);
  EXPECT_EQ(status->breaker.probe_at, rig.clock.now() + 30s);
  rig.clock.advance(29s);
  for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
  EXPECT_EQ(attempts(), 10U);
}

TEST_F(DispatcherPaceTest, ThreeGoodProbesBringTheBacklogBackOldestFirst) {
  auto sent = break_it(60);
  up = true;
  rig.clock.advance(30s);
  ASSERT_TRUE(breaker_becomes(BreakerState::closed));
  ASSERT_TRUE(settled(DeliveryState::delivered, 50));
  const auto late = append(10);
  ASSERT_TRUE(settled(DeliveryState::delivered, 60));
  auto order = started();
  order.erase(order.begin(), order.begin() + 10);
  std::vector<DeliveryId> expected(sent.begin() + 10, sent.end());
  expected.insert(expected.end(), late.begin(), late.end());
  EXPECT_EQ(order, expected);
  rig.clock.advance(2h);  // those that failed before come on their schedule
  EXPECT_TRUE(rig.all_ended());
}

TEST_F(DispatcherPaceTest, ABadProbeReopensForTwiceAsLongAndOnlyThreeWereSpent) {
  break_it(60);
  rig.destination(1).concurrency = 64;
  rig.publish();
  rig.clock.advance(30s);
  ASSERT_TRUE(rig.becomes([&] {
    const auto status = rig.dispatcher->status(nth<DestinationId>(1));
    return status->breaker.state == BreakerState::open && status->breaker.probe_at == rig.clock.now() + 60s;
  }));
  EXPECT_LE(attempts(), 13U);
  EXPECT_GE(attempts(), 11U);
}

TEST_F(DispatcherPaceTest, NoMoreThanThreeProbesAreInFlight) {
  break_it(60);
  rig.destination(1).concurrency = 64;
  rig.publish();
  {
    const std::lock_guard lock(rig.board.mutex);
    rig.driver.script = [](const AttemptJob&) {
      Plan plan = answers(200);
      plan.hold = true;
      return plan;
    };
  }
  rig.clock.advance(30s);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.size() == 3; }));
  for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
  EXPECT_EQ(attempts(), 13U);
  rig.driver.release();
  EXPECT_TRUE(breaker_becomes(BreakerState::closed));
  EXPECT_TRUE(settled(DeliveryState::delivered, 50));
}

TEST_F(DispatcherPaceTest, AQuietOneIsProbedByWhatComesNext) {
  break_it(10);
  up = true;
  rig.clock.advance(30s);
  ASSERT_TRUE(breaker_becomes(BreakerState::half_open));
  const auto sent = append(3);
  ASSERT_TRUE(settled(DeliveryState::delivered, 3));
  EXPECT_TRUE(breaker_becomes(BreakerState::closed));
}

TEST_F(DispatcherPaceTest, AResetClosesIt) {
  break_it(30);
  up = true;
  rig.dispatcher->reset_breaker(nth<DestinationId>(1));
  ASSERT_TRUE(breaker_becomes(BreakerState::closed));
  EXPECT_TRUE(settled(DeliveryState::delivered, 20));
}

TEST_F(DispatcherPaceTest, ANewUrlHasNotFailed) {
  break_it(30);
  up = true;
  rig.destination(1).url = "https://elsewhere.example/";
  rig.publish();
  ASSERT_TRUE(breaker_becomes(BreakerState::closed));
  EXPECT_TRUE(settled(DeliveryState::delivered, 20));
}

TEST_F(DispatcherPaceTest, AnAgentsReturnIsAReasonToProbe) {
  Destination& destination = rig.destination(1);
  destination.kind = DestinationKind::agent;
  destination.agent_id = nth<AgentId>(1);
  rig.agents.set_quietly(nth<AgentId>(1), true);
  break_it(30);
  rig.agents.set(nth<AgentId>(1), false);
  ASSERT_TRUE(mode_becomes(QueueMode::away));
  up = true;
  rig.agents.set(nth<AgentId>(1), true);
  EXPECT_TRUE(settled(DeliveryState::delivered, 20)) << "without waiting for the breaker's time";
}

TEST_F(DispatcherPaceTest, ARateIsKeptByTheClockAlone) {
  rig.destination(1).rate_per_second = 10;
  rig.destination(1).rate_burst = 3;
  start_direct();
  append(20);
  std::size_t expected = 3;
  ASSERT_TRUE(rig.becomes([&] { return attempts() == expected; }));
  for (int step = 0; step < 5; ++step) {
    for (int i = 0; i < 500; ++i) std::this_thread::yield();
    ASSERT_EQ(attempts(), expected);
    rig.clock.advance(100ms);
    ++expected;
    ASSERT_TRUE(rig.becomes([&] { return attempts() == expected; }));
  }
  rig.destination(1).rate_per_second = 0;
  rig.publish();
  EXPECT_TRUE(rig.all_ended()) << "a limit that was lifted holds nothing back";
}

TEST_F(DispatcherPaceTest, ARatedDestinationHoldsUpNoOther) {
  rig.destination(1).rate_per_second = 1;
  rig.destination(2);
  start_direct(2);
  append(3'000, 1);
  append(500, 2);
  EXPECT_TRUE(rig.eventually([&] { return rig.driver.started[nth<DestinationId>(2)].size() == 500; }));
  EXPECT_EQ(started(1).size(), 1U);
}

TEST_F(DispatcherPaceTest, RetriesAreATenthOfTheTrafficAndTheRestWaitsUnburned) {
  rig.destination(1).retry_schedule = {0s, 1s, 1h};
  rig.destination(1).breaker.enabled = false;
  rig.driver.script = [](const AttemptJob& job) { return answers(job.leased.tries == 0 ? 500 : 200); };
  start_direct();
  append(200);  // earn twenty, and ten are there from the start
  ASSERT_TRUE(settled(DeliveryState::pending, 200));
  rig.clock.advance(1'300ms);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) >= 30; }));
  ASSERT_TRUE(rig.becomes([&] {
    const std::lock_guard lock(rig.board.mutex);
    std::size_t waiting = 0;
    for (const auto& [id, it] : rig.log->rows) waiting += it.delivery.reason == "retry_budget";
    return waiting + rig.log->in_state(DeliveryState::delivered) == 200;
  }));
  EXPECT_LE(rig.log->in_state(DeliveryState::delivered), 31U);
  for (const auto& [id, it] : rig.log->rows) {
    if (it.delivery.reason != "retry_budget") continue;
    EXPECT_EQ(it.delivery.attempt_count, 1U);
    EXPECT_EQ(it.attempts.size(), 1U);
  }
  ASSERT_TRUE(rig.becomes([&] {  // a second at a time, all get their turn
    rig.clock.advance(1s);
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->open == 0;
  }));
  EXPECT_EQ(rig.log->in_state(DeliveryState::delivered), 200U);
}

/// Those of a subject that is down: held, as its driver does.
Plan held() {
  Plan plan = not_sent("subject_down");
  plan.result.held = true;
  plan.result.retry_after = 30s;
  return plan;
}

TEST_F(DispatcherPaceTest, WhatIsHeldTakesNoneOfTheRateAndComesBackSpreadOut) {
  rig.destination(1).kind = DestinationKind::nats;
  rig.destination(1).rate_per_second = 1;
  rig.destination(1).rate_burst = 3;
  const DeliveryId last_dead = nth<DeliveryId>(40);
  rig.driver.script = [last_dead](const AttemptJob& job) {
    return job.leased.delivery.id > last_dead ? answers(200) : held();
  };
  start_direct();
  const auto dead = append(40);
  append(3);
  ASSERT_TRUE(settled(DeliveryState::delivered, 3)) << "without a step of the clock";
  ASSERT_TRUE(settled(DeliveryState::pending, 40));
  std::set<Time> back;
  for (const DeliveryId id : dead) back.insert(row(id).delivery.next_at);
  EXPECT_EQ(back.size(), 40U);
  EXPECT_EQ(*back.begin(), rig.clock.now() + 31s);
  EXPECT_EQ(*back.rbegin(), rig.clock.now() + 31s + 39 * 100ms);
}

TEST_F(DispatcherPaceTest, WhatIsHeldTakesNoneOfTheRetriesAndEarnsNone) {
  rig.destination(1).kind = DestinationKind::nats;
  rig.destination(1).concurrency = 1;
  rig.destination(1).retry_schedule = {0s, 1s, 1h};
  rig.destination(1).breaker.enabled = false;
  const DeliveryId last_dead = nth<DeliveryId>(20);
  rig.driver.script = [last_dead](const AttemptJob& job) {
    if (job.leased.tries == 0) return answers(500);
    return job.leased.delivery.id > last_dead ? answers(200) : held();
  };
  start_direct();
  append(30);  // earn three, and ten are there from the start
  ASSERT_TRUE(settled(DeliveryState::pending, 30));
  rig.clock.advance(1'300ms);
  EXPECT_TRUE(settled(DeliveryState::delivered, 10)) << "behind the twenty";
}

TEST_F(DispatcherPaceTest, UnderLoadRetriesWaitInTheStoreAndFirstAttemptsGoOn) {
  rig.destination(1).retry_schedule = {0s, 1s, 1h};
  rig.destination(1).breaker.enabled = false;
  rig.driver.script = [](const AttemptJob& job) { return answers(job.leased.tries == 0 ? 500 : 200); };
  start_direct();
  const auto early = append(30);
  ASSERT_TRUE(settled(DeliveryState::pending, 30));
  rig.shedding.set(LoadLevel::no_retries);
  rig.clock.advance(1'300ms);
  ASSERT_TRUE(rig.eventually([&] {  // but for a trickle of ten
    std::size_t held = 0;
    for (const auto& [id, it] : rig.log->rows) held += it.delivery.reason == "overload";
    return held == 20 && rig.log->in_state(DeliveryState::delivered) == 10;
  }));
  const std::size_t before = attempts();
  append(5);
  ASSERT_TRUE(rig.becomes([&] { return attempts() == before + 5; })) << "first attempts";
  for (const DeliveryId id : early) {
    if (row(id).delivery.reason != "overload") continue;
    EXPECT_EQ(row(id).delivery.attempt_count, 1U);
    EXPECT_EQ(row(id).tries, 1U);
  }
  rig.shedding.set(LoadLevel::calm);
  ASSERT_TRUE(rig.becomes([&] {
    rig.clock.advance(1s);
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->open == 0;
  }));
  EXPECT_EQ(rig.log->in_state(DeliveryState::delivered), 35U);
}

TEST_F(DispatcherPaceTest, UnderLoadAWorkspaceWithManyRetriesLeavesOthersTheirs) {
  for (std::uint64_t n = 1; n <= 2; ++n) {
    rig.destination(n).workspace_id = nth<WorkspaceId>(n);
    rig.destination(n).retry_schedule = {0s, 1s, 1h};
    rig.destination(n).breaker.enabled = false;
  }
  rig.driver.script = [](const AttemptJob& job) { return answers(job.leased.tries == 0 ? 500 : 200); };
  start_direct(2);
  append(30, 1);
  const auto quiet = append(3, 2);
  ASSERT_TRUE(settled(DeliveryState::pending, 33));
  rig.shedding.set(LoadLevel::no_retries);
  rig.clock.advance(1'300ms);
  EXPECT_TRUE(rig.eventually([&] {  // ten of the many, and all of the few
    std::size_t held = 0;
    for (const auto& [id, it] : rig.log->rows) held += it.delivery.reason == "overload";
    return held == 20 && rig.log->in_state(DeliveryState::delivered) == 13;
  }));
  for (const DeliveryId id : quiet) EXPECT_EQ(row(id).delivery.state, DeliveryState::delivered);
}

TEST_F(DispatcherPaceTest, ALoadThatStaysStarvesNoRetry) {
  rig.destination(1).retry_schedule = {0s, 1s, 1h};
  rig.destination(1).breaker.enabled = false;
  rig.driver.script = [](const AttemptJob& job) { return answers(job.leased.tries == 0 ? 500 : 200); };
  start_direct();
  rig.shedding.set(LoadLevel::no_events);
  append(50);
  ASSERT_TRUE(rig.becomes([&] {
    rig.clock.advance(1s);
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->rows.size() == 50 && rig.log->open == 0;
  }));
  EXPECT_EQ(rig.log->in_state(DeliveryState::delivered), 50U);
}

// One of two workspaces owes ten thousand deliveries to a host that never answers, on a hundred destinations.
TEST(NoisyNeighbourTest, ADeadHostInOneWorkspaceDelaysNoStartInAnother) {
  DispatcherOptions options = DispatcherRig::quick();
  options.in_flight = 64;
  options.leases.deliveries = 1'000;
  options.claim_batch = 32;
  DispatcherRig rig(options);
  constexpr std::uint64_t kQuiet = 1'000;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    rig.destination(n).workspace_id = nth<WorkspaceId>(1);
    rig.destination(n).concurrency = 1'000;
  }
  rig.destination(kQuiet).workspace_id = nth<WorkspaceId>(2);
  rig.driver.script = [](const AttemptJob& job) {
    Plan plan = answers(200);
    plan.hold = job.destination->workspace_id == nth<WorkspaceId>(1);
    return plan;
  };
  rig.start();
  ASSERT_TRUE(rig.becomes([&] {
    const auto status = rig.dispatcher->status(nth<DestinationId>(kQuiet));
    return status && status->mode == QueueMode::direct;
  }));
  for (std::uint64_t i = 0; i < 10'000; ++i) rig.append(1 + i % 100);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->rows.size() == 10'000; }));
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.size() >= 40; }));
  for (int i = 0; i < 300; ++i) rig.append(kQuiet);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.started[nth<DestinationId>(kQuiet)].size() == 300; }));
  {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_LE(rig.driver.active.size(), 48U + 16U) << "three quarters at most, and those of the quiet one";
  }
  rig.driver.release();
  EXPECT_TRUE(rig.all_ended());
}

}  // namespace
}  // namespace postern::relay
