// Breakers that several nodes know of, in the whole dispatcher.
#include <gtest/gtest.h>

#include "relay/delivery/breaker_blob.hpp"
#include "relay/limits/local_limiter.hpp"
#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

/// The board of one node; the test speaks for the others.
class FakeBoard final : public BreakerBoard {
 public:
  void publish(DestinationId destination, SharedBreakerState state, Duration) override {
    const std::lock_guard lock(mutex_);
    if (states_[destination] < state) states_[destination] = state;
    said_.push_back(std::move(state));
  }
  std::optional<SharedBreakerState> known(DestinationId destination) const override {
    const std::lock_guard lock(mutex_);
    const auto found = states_.find(destination);
    return found == states_.end() ? std::nullopt : std::optional(found->second);
  }
  void on_heard(Heard listener) override { listener_ = std::move(listener); }

  void other_says(DestinationId destination, std::uint64_t version, const std::string& blob) {
    {
      const std::lock_guard lock(mutex_);
      states_[destination] = {version, blob};
    }
    listener_(destination);
  }
  std::vector<SharedBreakerState> said() const {
    const std::lock_guard lock(mutex_);
    return said_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<DestinationId, SharedBreakerState> states_;
  std::vector<SharedBreakerState> said_;
  Heard listener_;
};

struct DispatcherShareTest : testing::Test {
  DispatcherShareTest() {
    rig.destination(1).concurrency = 1;
    rig.destination(1).retry_schedule = {0s, 24h};
    rig.driver.script = [this](const AttemptJob&) { return answers(up ? 200 : 503); };
  }
  void TearDown() override {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
  }
  bool becomes(BreakerState state) {
    return rig.becomes([&] { return status().breaker.state == state; });
  }
  Dispatcher::Status status() { return rig.dispatcher->status(id).value_or(Dispatcher::Status{}); }
  /// The first `count` of what it has told.
  std::vector<SharedBreakerState> said(std::size_t count) {
    EXPECT_TRUE(rig.becomes([&] { return others.said().size() >= count; }));
    return others.said();
  }
  std::size_t attempts() {
    const std::lock_guard lock(rig.board.mutex);
    return rig.driver.attempts;
  }
  std::uint64_t later(std::uint64_t by = 1) { return next_breaker_version(0, rig.clock.now()) + by; }
  std::string closed() { return to_blob({BreakerState::closed, rig.clock.now(), Time{}, 0}); }
  std::string reset() { return to_blob({BreakerState::closed, rig.clock.now(), Time{}, 0, true}); }
  std::string open_until(Duration from_now) {
    return to_blob({BreakerState::open, rig.clock.now(), rig.clock.now() + from_now, 1});
  }
  bool settled(DeliveryState state, std::size_t count) {
    return rig.eventually([&] { return rig.log->in_state(state) == count; });
  }

  bool after(std::size_t count, BreakerState state) {
    return rig.becomes([&] { return attempts() == count && status().breaker.state == state; });
  }
  /// One after the other; the breaker is closed again.
  void ten_fail() {
    const std::size_t before = attempts();
    for (int i = 0; i < 10; ++i) rig.append(1);
    EXPECT_TRUE(after(before + 10, BreakerState::open));
  }
  bool closes_elsewhere() {
    others.other_says(id, others.known(id)->version + 1, closed());
    return becomes(BreakerState::closed);
  }

  /// As if another node had sent that many.
  void other_sends(int count, const RateLimit& rate) {
    for (int i = 0; i < count; ++i) rates.take("destination:" + id.to_string(), rate, rig.clock.steady());
  }

  const DestinationId id = nth<DestinationId>(1);
  std::atomic<bool> up{true};
  FakeBoard others;
  LocalLimiter rates;
  DispatcherRig rig{DispatcherRig::quick(), &others, &rates};
};

TEST_F(DispatcherShareTest, EachChangeIsTold) {
  up = false;
  rig.start();
  for (int i = 0; i < 10; ++i) rig.append(1);
  ASSERT_TRUE(becomes(BreakerState::open));
  const auto opened = breaker_from_blob(said(1).at(0).blob);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->since, status().breaker.since);
  EXPECT_EQ(opened->probe_at, rig.clock.now() + 30s);
  EXPECT_EQ(opened->openings, 1U);
  up = true;
  rig.clock.advance(30s);
  for (int i = 0; i < 3; ++i) rig.append(1);
  ASSERT_TRUE(becomes(BreakerState::closed));
  const auto all = said(3);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(breaker_from_blob(all[1].blob)->state, BreakerState::half_open);
  EXPECT_EQ(breaker_from_blob(all[2].blob)->state, BreakerState::closed);
  EXPECT_LT(all[0].version, all[1].version);
  EXPECT_LT(all[1].version, all[2].version);
}

TEST_F(DispatcherShareTest, WhatIsOpenElsewhereIsNotSentToAndIsNotToldAgain) {
  rig.start();
  rig.append(1);
  ASSERT_TRUE(settled(DeliveryState::delivered, 1));
  others.other_says(id, later(), open_until(60s));
  ASSERT_TRUE(becomes(BreakerState::open));
  for (int i = 0; i < 20; ++i) rig.append(1);
  ASSERT_TRUE(settled(DeliveryState::parked, 20));
  EXPECT_EQ(attempts(), 1U);
  EXPECT_TRUE(others.said().empty());
  EXPECT_LE(status().breaker.probe_at, rig.clock.now() + 60s);
  others.other_says(id, later(2), to_blob({BreakerState::closed, rig.clock.now(), Time{}, 0}));
  EXPECT_TRUE(settled(DeliveryState::delivered, 21));
}

TEST_F(DispatcherShareTest, ANodeThatStartsSendsNothingToWhatIsKnownToBeDown) {
  others.other_says(id, later(), open_until(60s));
  rig.append(1);
  rig.start();
  ASSERT_TRUE(rig.becomes([&] { return status().mode == QueueMode::broken; }));
  for (int i = 0; i < 20; ++i) rig.append(1);
  // The first one may have been claimed before it was known, and is parked too then.
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::parked) >= 20; }));
  EXPECT_EQ(attempts(), 0U);
  rig.clock.advance(61s);
  EXPECT_TRUE(settled(DeliveryState::delivered, 21)) << "the one that opened it may be dead";
}

TEST_F(DispatcherShareTest, AResetIsToldAlsoByWhoThinksItIsClosed) {
  rig.start();
  ASSERT_TRUE(rig.becomes([&] { return rig.dispatcher->status(id).has_value(); }));
  rig.dispatcher->reset_breaker(id);
  EXPECT_EQ(breaker_from_blob(said(1).at(0).blob)->state, BreakerState::closed);
}

TEST_F(DispatcherShareTest, WhatFollowsIsNewerThanWhatWasHeard) {
  rig.start();
  const std::uint64_t ahead = later(60'000'000);  // its clock is a minute ahead
  others.other_says(id, ahead, open_until(60s));
  ASSERT_TRUE(becomes(BreakerState::open));
  rig.dispatcher->reset_breaker(id);
  ASSERT_TRUE(becomes(BreakerState::closed));
  EXPECT_EQ(said(1).at(0).version, ahead + 1);
}

TEST_F(DispatcherShareTest, GarbageChangesNothing) {
  rig.start();
  rig.append(1);
  ASSERT_TRUE(settled(DeliveryState::delivered, 1));
  others.other_says(id, later(), "1 open nonsense");
  others.other_says(nth<DestinationId>(77), later(), open_until(60s));
  rig.append(1);
  EXPECT_TRUE(settled(DeliveryState::delivered, 2));
  rig.dispatcher->reset_breaker(id);
  EXPECT_EQ(said(1).at(0).version, later() + 1) << "and is overruled";
}

TEST_F(DispatcherShareTest, ANodeThatReachesNothingClosesItOffForOthersOnce) {
  up = false;
  rig.start();
  ten_fail();
  ASSERT_EQ(said(1).size(), 1U);
  for (int lap = 0; lap < 3; ++lap) {
    ASSERT_TRUE(closes_elsewhere());
    ten_fail();
    const std::size_t before = attempts();
    rig.clock.advance(10min);
    rig.append(1);
    ASSERT_TRUE(after(before + 1, BreakerState::open)) << "it probes, for itself";
    EXPECT_EQ(said(1).size(), 1U) << "lap " << lap;
  }
  up = true;
  rig.clock.advance(10min);
  ASSERT_TRUE(becomes(BreakerState::half_open));
  const std::size_t before = attempts();
  for (int i = 0; i < 3; ++i) rig.append(1);
  ASSERT_TRUE(after(before + 3, BreakerState::closed));
  up = false;
  ten_fail();
  EXPECT_EQ(breaker_from_blob(said(3).at(2).blob)->state, BreakerState::open)
      << "it has seen it up by itself";
}

TEST_F(DispatcherShareTest, WhatOthersFindDownTooOrAResetMakesItNewsAgain) {
  up = false;
  rig.start();
  ten_fail();
  ASSERT_EQ(said(1).size(), 1U);
  ASSERT_TRUE(closes_elsewhere());
  ten_fail();
  EXPECT_EQ(said(1).size(), 1U);
  others.other_says(id, later(60'000'000), reset());
  ASSERT_TRUE(becomes(BreakerState::closed));
  ten_fail();
  EXPECT_EQ(said(2).size(), 2U);
  ASSERT_TRUE(closes_elsewhere());
  ten_fail();
  others.other_says(id, later(120'000'000), open_until(120s));
  ASSERT_TRUE(rig.becomes([&] { return status().breaker.probe_at > rig.clock.now() + 60s; }));
  EXPECT_EQ(said(2).size(), 2U);
  rig.clock.advance(120s);
  EXPECT_EQ(breaker_from_blob(said(3).at(2).blob)->state, BreakerState::half_open);
}

TEST_F(DispatcherShareTest, OnlyAResetClosesThePartsToo) {
  rig.destination(1).kind = DestinationKind::nats;
  rig.driver.script = [](const AttemptJob& job) {
    Plan plan = answers(503);
    const PartGate::Pass pass = job.parts->begin("dead");
    plan.result.part = "dead";
    plan.result.part_round = pass.round;
    return plan;
  };
  rig.start();
  for (int i = 0; i < 10; ++i) rig.append(1);
  ASSERT_TRUE(rig.becomes([&] { return status().parts.size() == 1; }));
  others.other_says(id, later(), open_until(60s));
  ASSERT_TRUE(becomes(BreakerState::open));
  others.other_says(id, later(2), closed());
  ASSERT_TRUE(becomes(BreakerState::closed));
  EXPECT_EQ(status().parts.size(), 1U);
  others.other_says(id, later(3), reset());
  EXPECT_TRUE(rig.becomes([&] { return status().parts.empty(); }));
}

TEST_F(DispatcherShareTest, WhoCannotProbeSaysNothingOfProbing) {
  Destination& away = rig.destination(1);
  away.kind = DestinationKind::agent;
  away.agent_id = nth<AgentId>(1);
  rig.destination(2);
  rig.start();
  others.other_says(id, later(), open_until(30s));
  others.other_says(nth<DestinationId>(2), later(), open_until(90s));
  ASSERT_TRUE(becomes(BreakerState::open));
  const auto other = [&] { return rig.dispatcher->status(nth<DestinationId>(2))->breaker.state; };
  ASSERT_TRUE(rig.becomes([&] { return other() == BreakerState::open; }));
  rig.clock.advance(90s);
  ASSERT_EQ(said(1).size(), 1U) << "of the other one, whose time came later";
  EXPECT_EQ(status().breaker.state, BreakerState::open);
  rig.agents.set(nth<AgentId>(1), true);
  EXPECT_TRUE(becomes(BreakerState::half_open));
  EXPECT_EQ(said(2).size(), 2U);
}

TEST_F(DispatcherShareTest, WhatOtherNodesSentCountsAgainstTheRate) {
  const RateLimit rate{10, 4};
  rig.destination(1).concurrency = 16;
  rig.destination(1).rate_per_second = rate.per_second;
  rig.destination(1).rate_burst = rate.burst;
  rig.start();
  other_sends(3, rate);
  for (int i = 0; i < 20; ++i) rig.append(1);
  ASSERT_TRUE(rig.becomes([&] { return attempts() == 1; }));
  std::size_t expected = 1;
  for (int step = 0; step < 6; ++step) {
    rig.clock.advance(100ms);
    ASSERT_TRUE(rig.becomes([&] { return attempts() == expected + 1; }));
    ++expected;
    for (int i = 0; i < 500; ++i) std::this_thread::yield();
    ASSERT_EQ(attempts(), expected);
  }
  rig.clock.advance(2s);
  EXPECT_TRUE(rig.becomes([&] { return attempts() == expected + 4; })) << "no more than the burst";
}

}  // namespace
}  // namespace postern::relay
