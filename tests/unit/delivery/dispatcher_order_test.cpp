// Deliveries with an order key in the whole dispatcher.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct DispatcherKeysTest : testing::Test {
  void SetUp() override { rig.destination(1).retry_schedule = {0s, 10s, 10s, 10s}; }
  void TearDown() override {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
  }
  void start(Ordering ordering) {
    rig.destination(1).ordering = ordering;
    rig.start();
    ASSERT_TRUE(rig.becomes([&] {
      const auto status = rig.dispatcher->status(nth<DestinationId>(1));
      return status && status->mode == QueueMode::direct;
    }));
  }
  FakeEventLog::Row row(DeliveryId id) {
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->rows.at(id);
  }
  std::vector<DeliveryId> started() {
    const std::lock_guard lock(rig.board.mutex);
    return rig.driver.started[nth<DestinationId>(1)];
  }
  bool settled(DeliveryState state, std::size_t count) {
    return rig.eventually([&] { return rig.log->in_state(state) == count; });
  }
  std::vector<DeliveryId> append(int count, OrderKey key = kNoOrder) {
    std::vector<DeliveryId> sent;
    for (int i = 0; i < count; ++i) sent.push_back(rig.append(1, key));
    sent_ += sent.size();
    return sent;
  }
  bool ends_in_time() {
    return rig.becomes([&] {
      rig.clock.advance(1s);
      const std::lock_guard lock(rig.board.mutex);
      return rig.log->rows.size() >= sent_ && rig.log->open == 0;
    });
  }

  DispatcherRig rig;
  std::size_t sent_ = 0;
};

TEST_F(DispatcherKeysTest, AFailedOneHoldsBackThoseBehindIt) {
  int failures = 2;
  rig.driver.script = [failures](const AttemptJob&) mutable { return answers(failures-- > 0 ? 500 : 200); };
  start(Ordering::destination);
  const auto sent = append(20);
  ASSERT_TRUE(rig.eventually([&] {
    return rig.log->rows.size() == 20 && rig.log->rows.at(sent[0]).tries == 1 &&
           rig.log->in_state(DeliveryState::pending) == 20;
  }));
  EXPECT_EQ(row(sent[0]).delivery.reason, "http_500");
  const DeliveryId late = rig.append(1);
  ASSERT_TRUE(settled(DeliveryState::pending, 21));
  EXPECT_EQ(started().size(), 1U);
  ASSERT_TRUE(ends_in_time());
  std::vector<DeliveryId> expected{sent[0], sent[0]};
  expected.insert(expected.end(), sent.begin(), sent.end());
  expected.push_back(late);
  EXPECT_EQ(started(), expected);
}

// A node that stood still in a claim: others have gone on with what it brings.
TEST_F(DispatcherKeysTest, WhatWasLeasedBeforeTheLeasesWereLostIsNotMade) {
  start(Ordering::destination);
  std::atomic<bool> lost{false};
  rig.log->interfere([&](FakeEventLog& log) {
    log.before_heads([&] {
      rig.dispatcher->leases_lost();
      const std::lock_guard lock(rig.board.mutex);
      log.steal_lease(nth<DeliveryId>(1));
      lost = true;
    });
  });
  const auto sent = append(1);
  ASSERT_EQ(sent[0], nth<DeliveryId>(1));
  ASSERT_TRUE(rig.becomes([&] { return lost.load(); }));
  // The other node gives it back; only now it is this one's again.
  ASSERT_TRUE(rig.eventually([&] { return rig.log->fenced_out > 0 || rig.driver.attempts > 0; }));
  EXPECT_TRUE(started().empty());
  rig.log->interfere([&](FakeEventLog& log) { log.make_due(sent[0]); });
  rig.dispatcher->kick(nth<DestinationId>(1));
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(started().size(), 1U);
}

TEST_F(DispatcherKeysTest, ADeadOneLetsTheNextPass) {
  rig.destination(1).retry_schedule = {0s, 10s};
  const DeliveryId bad = nth<DeliveryId>(1);
  rig.driver.script = [bad](const AttemptJob& job) {
    return answers(job.leased.delivery.id == bad ? 500 : 200);
  };
  start(Ordering::destination);
  append(5);
  ASSERT_TRUE(ends_in_time());
  EXPECT_EQ(row(bad).delivery.state, DeliveryState::dead);
  EXPECT_EQ(started().size(), 6U);
}

TEST_F(DispatcherKeysTest, OtherKeysGoOnAndWhatHasNoneIsHandedOver) {
  rig.driver.script = [](const AttemptJob& job) { return answers(job.leased.order_key == 7 ? 500 : 200); };
  start(Ordering::key);
  const auto stuck = append(10, 7);
  append(10, 9);
  append(10);
  ASSERT_TRUE(settled(DeliveryState::delivered, 20));
  EXPECT_EQ(row(stuck[1]).attempts.size(), 0U);
  ASSERT_TRUE(ends_in_time());
  EXPECT_EQ(row(stuck[9]).delivery.state, DeliveryState::dead);
}

TEST_F(DispatcherKeysTest, KeysGoAtOnceAndOneOfEach) {
  rig.destination(1).concurrency = 16;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  start(Ordering::key);
  for (OrderKey key = 2; key < 12; ++key) append(5, key);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.size() == 10; }));
  rig.driver.release();
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(rig.driver.most_in_flight[nth<DestinationId>(1)], 10U);
}

TEST_F(DispatcherKeysTest, TheOrderOutlivesARestart) {
  rig.destination(1).ordering = Ordering::destination;
  for (std::uint64_t n = 1; n <= 10; ++n) {
    Delivery delivery;
    delivery.id = nth<DeliveryId>(n);
    delivery.destination_id = nth<DestinationId>(1);
    delivery.state = n % 3 == 0 ? DeliveryState::parked : DeliveryState::pending;
    delivery.next_at = n == 1 ? rig.clock.now() + 1h : rig.clock.now();
    rig.log->seed(delivery, std::make_shared<const Event>(), kWholeDestination);
  }
  rig.start();
  ASSERT_TRUE(rig.eventually([&] { return rig.log->head_claims > 0; }));
  rig.clock.advance(59min);
  EXPECT_TRUE(started().empty());
  EXPECT_EQ(row(nth<DeliveryId>(1)).delivery.state, DeliveryState::pending);
  rig.clock.advance(1min);
  ASSERT_TRUE(rig.all_ended());
  const auto order = started();
  EXPECT_EQ(order.size(), 10U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(DispatcherKeysTest, ARetryByHandOfTheFirstIsMadeAtOnce) {
  rig.destination(1).retry_schedule = {0s, 1h, 1h};
  std::atomic<bool> up{false};
  rig.driver.script = [&](const AttemptJob&) { return answers(up ? 200 : 500); };
  start(Ordering::destination);
  const auto sent = append(5);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.log->rows.size() == 5 && rig.log->rows.at(sent[0]).tries == 1; }));
  up = true;
  rig.log->interfere([&](FakeEventLog& log) { log.make_due(sent[0]); });
  rig.dispatcher->kick(nth<DestinationId>(1));
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(started().size(), 6U);
}

TEST_F(DispatcherKeysTest, OneThatComesBackLateIsStillFirst) {
  Destination& destination = rig.destination(1);
  destination.kind = DestinationKind::agent;
  destination.agent_id = nth<AgentId>(1);
  rig.agents.set_quietly(nth<AgentId>(1), true);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = not_sent("agent_away", true);
    plan.hold = true;
    return plan;
  };
  start(Ordering::destination);
  const auto sent = append(10);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.driver.active.contains(sent[0]) && rig.log->rows.size() == 10; }));
  rig.agents.set(nth<AgentId>(1), false);
  rig.agents.set(nth<AgentId>(1), true);
  {
    const std::lock_guard lock(rig.board.mutex);
    rig.driver.script = nullptr;
  }
  rig.driver.release();
  ASSERT_TRUE(rig.all_ended());
  std::vector<DeliveryId> expected{sent[0]};
  expected.insert(expected.end(), sent.begin(), sent.end());
  EXPECT_EQ(started(), expected);
}

TEST_F(DispatcherKeysTest, WhatWaitsIsGivenBackAtAPoliteEnd) {
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.takes = 20ms;
    return plan;
  };
  start(Ordering::destination);
  append(20);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.attempts > 0; }));
  rig.drain(10s);
  const std::lock_guard lock(rig.board.mutex);
  EXPECT_EQ(rig.log->in_state(DeliveryState::leased), 0U);
  EXPECT_GT(rig.log->in_state(DeliveryState::pending), 0U);
}

/// The rule, told apart from everything that keeps it: of one key only one is under way, and one that starts
/// is the oldest of its key that has not ended.
class OrderReference {
 public:
  void appended(OrderKey key, DeliveryId id) { open_[key].insert(id); }
  std::string starts(OrderKey key, DeliveryId id) {
    if (under_way_.contains(key)) return fmt::format("two of key {} at once", key);
    under_way_.insert(key);
    return *open_[key].begin() == id ? "" : fmt::format("one of key {} overtook", key);
  }
  void ends(OrderKey key, DeliveryId id, bool for_good) {
    under_way_.erase(key);
    if (for_good) open_[key].erase(id);
  }

 private:
  std::map<OrderKey, std::set<DeliveryId>> open_;
  std::set<OrderKey> under_way_;
};

struct Trace {
  std::uint64_t seed;
  bool whole;  ///< Ordering::destination
};

class OrderSimulationTest : public testing::TestWithParam<Trace> {
 protected:
  OrderSimulationTest() {
    Destination& draft = rig.destination(1);
    draft.kind = DestinationKind::agent;
    draft.agent_id = agent;
    draft.ordering = whole ? Ordering::destination : Ordering::key;
    draft.concurrency = 8;
    draft.retry_schedule = {0s, 1s, 5s, 1s};
    draft.breaker.failures_in_a_row = 3;
    draft.breaker.open_first = 2s;
    draft.breaker.open_most = 10s;
    rig.agents.set_quietly(agent, true);
    rig.driver.script = [this](const AttemptJob& job) { return begins(job.leased); };
    rig.driver.at_end = [this](const AttemptJob& job, const Plan& plan) { ends(job.leased, plan); };
  }
  static DispatcherOptions narrow() {
    DispatcherOptions options = DispatcherRig::quick();
    options.leases.deliveries = 60;
    options.claim_batch = 16;
    return options;
  }

  // Both are called under the board's lock; an attempt ends when the next thing of its key may begin.
  Plan begins(const LeasedDelivery& leased) {
    if (leased.order_key != kNoOrder && wrong.empty())
      wrong = reference.starts(leased.order_key, leased.delivery.id);
    const auto roll = answers_dice() % 100;
    Plan plan = calm       ? answers(200)
                : roll < 5 ? not_sent("agent_away", true)
                : roll < 8 ? not_sent("local_resources")
                           : answers(roll < 25 ? 500 : 200);
    if (!calm && answers_dice() % 4 == 0) plan.takes = std::chrono::microseconds(answers_dice() % 2'000);
    return plan;
  }
  void ends(const LeasedDelivery& leased, const Plan& plan) {
    const bool last = leased.delivery.attempt_count + 1 == 4;
    const bool good = plan.result.attempt.outcome == Outcome::delivered;
    const bool dead = plan.result.attempt.outcome == Outcome::rejected && last;
    if (leased.order_key != kNoOrder) reference.ends(leased.order_key, leased.delivery.id, good || dead);
  }

  void send_some() {
    for (auto burst = dice() % 20; burst > 0; --burst) {
      const OrderKey key = whole ? kWholeDestination : static_cast<OrderKey>(dice() % 6) + 1;
      const bool free = !whole && key == 1;
      {
        const std::lock_guard lock(rig.board.mutex);
        reference.appended(key, nth<DeliveryId>(++sent));
      }
      rig.append(1, free ? kNoOrder : key);
    }
  }
  void disturb() {
    if (dice() % 8 == 0) rig.agents.set(agent, !rig.agents.present(agent));
    if (dice() % 10 == 0) rig.dispatcher->reset_breaker(nth<DestinationId>(1));
    if (dice() % 10 == 0) rig.dispatcher->kick_all();
    if (dice() % 12 == 0) rig.log->refuse_completions(1);
    rig.clock.advance(std::chrono::milliseconds(dice() % 1'500));
  }
  /// A little time to catch up, if it can; true: nothing is open.
  bool goes_on() {
    rig.clock.advance(1s);
    std::unique_lock lock(rig.board.mutex);
    return rig.board.changed.wait_for(lock, 2ms, [&] { return rig.log->open == 0; });
  }

  const std::uint64_t seed = GetParam().seed;
  const bool whole = GetParam().whole;
  const AgentId agent = nth<AgentId>(1);
  OrderReference reference;
  std::string wrong;
  std::mt19937_64 answers_dice{seed};
  std::atomic<bool> calm{false};
  std::mt19937_64 dice{seed};
  std::size_t sent = 0;
  DispatcherRig rig{narrow()};  // last: its threads call the others
};
INSTANTIATE_TEST_SUITE_P(Traces, OrderSimulationTest,
                         testing::Values(Trace{3, true}, Trace{4, true}, Trace{5, false}, Trace{6, false},
                                         Trace{7, false}),
                         [](const auto& it) {
                           return fmt::format("{}{}", it.param.whole ? "destination" : "key", it.param.seed);
                         });

// Whatever fails, stops, opens and returns.
TEST_P(OrderSimulationTest, NothingEverOvertakesAndNoneIsBeside) {
  rig.start();
  while (sent < 1'500) {
    send_some();
    disturb();
    ASSERT_TRUE(rig.eventually([&] { return rig.log->rows.size() == sent; }));
    // Now and then let it catch up: backlogs and empty stores are both to be met.
    for (auto rounds = dice() % 4; rounds > 0; --rounds) goes_on();
  }
  calm = true;
  rig.agents.set(agent, true);
  ASSERT_TRUE(rig.becomes([&] { return goes_on(); }));
  const std::lock_guard lock(rig.board.mutex);
  EXPECT_EQ(wrong, "");
  EXPECT_GT(rig.driver.attempts, sent) << "none was tried again";
  EXPECT_EQ(rig.driver.broken, "");
  EXPECT_EQ(rig.log->broken, "");
}

}  // namespace
}  // namespace postern::relay
