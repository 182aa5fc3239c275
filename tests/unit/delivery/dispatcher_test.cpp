#include "relay/delivery/dispatcher.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include <future>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct DispatcherTest : testing::Test {
  void TearDown() override {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
  }
  void agent_destination(std::uint64_t n, unsigned concurrency = 64) {
    Destination& destination = rig.destination(n);
    destination.kind = DestinationKind::agent;
    destination.agent_id = kAgent;
    destination.concurrency = concurrency;
  }
  /// Started, with nothing older in the store: hand-over in memory.
  void start_direct(std::uint64_t n) {
    rig.start();
    ASSERT_TRUE(rig.becomes([&] {
      const auto status = rig.dispatcher->status(nth<DestinationId>(n));
      return status && status->mode == QueueMode::direct;
    }));
  }
  std::size_t count(DeliveryState state) {
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->in_state(state);
  }
  FakeEventLog::Row row(DeliveryId id) {
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->rows.at(id);
  }
  bool reaches(DeliveryId id, DeliveryState state) {
    return rig.eventually([&] {
      const auto found = rig.log->rows.find(id);
      return found != rig.log->rows.end() && found->second.delivery.state == state;
    });
  }

  static constexpr std::uint64_t kOne = 1;
  const AgentId kAgent = nth<AgentId>(1);
  DispatcherRig rig;
};

TEST_F(DispatcherTest, DeliversWhatIsHandedOverWithoutAskingTheStore) {
  rig.destination(kOne);
  start_direct(kOne);
  const std::size_t claims_for_it = [&] {
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->largest_claim_limit;
  }();
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(reaches(id, DeliveryState::delivered));
  const auto stored = row(id);
  ASSERT_EQ(stored.attempts.size(), 1U);
  EXPECT_EQ(stored.attempts[0].number, 1U);
  EXPECT_EQ(stored.attempts[0].delivery_id, id);
  EXPECT_EQ(stored.delivery.attempt_count, 1U);
  EXPECT_EQ(rig.log->largest_claim_limit, claims_for_it);
}

TEST_F(DispatcherTest, RetriesOnTheScheduleAndThenIsDead) {
  rig.destination(kOne).retry_schedule = {0s, 10s, 100s};
  rig.driver.script = [](const AttemptJob&) { return answers(500); };
  start_direct(kOne);
  const DeliveryId id = rig.append(kOne);
  for (const unsigned attempt : {1U, 2U}) {
    ASSERT_TRUE(rig.eventually([&] {
      const auto found = rig.log->rows.find(id);
      return found != rig.log->rows.end() && found->second.delivery.attempt_count == attempt;
    }));
    EXPECT_EQ(row(id).delivery.reason, "http_500");
    rig.clock.advance(attempt == 1 ? 12s : 120s);
  }
  ASSERT_TRUE(reaches(id, DeliveryState::dead));
  EXPECT_EQ(row(id).delivery.reason, "retries_exhausted");
  EXPECT_EQ(row(id).attempts.size(), 3U);
}

TEST_F(DispatcherTest, AScheduleThatBeginsLaterDelaysTheFirstAttempt) {
  rig.destination(kOne).retry_schedule = {10s, 10s};
  start_direct(kOne);
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(reaches(id, DeliveryState::pending));
  const Time due = row(id).delivery.next_at;
  EXPECT_EQ(due, rig.clock.now() + 10s);
  rig.clock.advance(11s);
  ASSERT_TRUE(reaches(id, DeliveryState::delivered));
  EXPECT_GE(row(id).attempts.at(0).started_at, due);
}

TEST_F(DispatcherTest, LargeAnswersAreRecordedBeforeMoreAreAskedFor) {
  DispatcherOptions options = DispatcherRig::quick();
  options.unrecorded_bytes = 100'000;
  DispatcherRig small(options);
  small.destination(kOne).concurrency = 4;
  small.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.result.attempt.response_body = std::string(60'000, 'x');
    return plan;
  };
  small.start();
  small.log->hold_completions();
  for (int i = 0; i < 200; ++i) small.append(kOne);
  const auto attempts = [&] {
    const std::lock_guard lock(small.board.mutex);
    return small.driver.attempts;
  };
  ASSERT_TRUE(small.becomes([&] { return attempts() >= 2; }));
  for (int i = 0; i < 20'000; ++i) std::this_thread::yield();  // time enough for all 200
  EXPECT_LE(attempts(), 5U) << "two reach the bound, the others were under way with the second";
  small.log->release_completions();
  EXPECT_TRUE(small.all_ended());
}

TEST_F(DispatcherTest, AnAbsentAgentCostsNoAttemptAndGetsItAllInOrderOnReturn) {
  agent_destination(kOne);
  rig.start();
  ASSERT_TRUE(rig.becomes([&] {
    const auto status = rig.dispatcher->status(nth<DestinationId>(kOne));
    return status && status->mode == QueueMode::away;
  }));
  std::vector<DeliveryId> sent;
  for (int i = 0; i < 200; ++i) sent.push_back(rig.append(kOne));
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::parked) == 200; }));
  EXPECT_EQ(rig.driver.attempts, 0U);
  EXPECT_EQ(row(sent[0]).delivery.reason, "agent_away");
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  rig.agents.set(kAgent, true);
  // Behind the backlog, of which the first one is held until the dispatcher has all: one that finds nothing
  // waiting has no backlog to keep in order any more, and starts what comes then at once.
  for (int i = 0; i < 50; ++i) sent.push_back(rig.append(kOne));
  ASSERT_TRUE(rig.becomes([&] { return rig.dispatcher->status(nth<DestinationId>(kOne))->waiting == 249; }));
  rig.driver.release();
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(rig.driver.started[nth<DestinationId>(kOne)], sent);
  EXPECT_EQ(rig.driver.attempts, 250U);
  EXPECT_TRUE(rig.becomes([&] { return rig.dispatcher->status(nth<DestinationId>(kOne))->window == 64; }));
}

TEST_F(DispatcherTest, ALeavingAgentsDeliveriesAreParkedAndTheOneOnTheWayIsNotPunished) {
  agent_destination(kOne, 1);
  rig.agents.set_quietly(kAgent, true);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = not_sent("agent_away", true);
    plan.hold = true;
    return plan;
  };
  start_direct(kOne);
  const DeliveryId first = rig.append(kOne);
  const DeliveryId second = rig.append(kOne);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.contains(first); }));
  rig.agents.set(kAgent, false);
  ASSERT_TRUE(reaches(second, DeliveryState::parked));
  rig.driver.release();
  ASSERT_TRUE(reaches(first, DeliveryState::parked));
  EXPECT_EQ(row(first).delivery.attempt_count, 0U);
  {
    const std::lock_guard lock(rig.board.mutex);
    rig.driver.script = nullptr;
  }
  rig.agents.set(kAgent, true);
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(row(first).attempts.size(), 2U);
  EXPECT_EQ(row(first).attempts.back().number, 2U);
  EXPECT_EQ(row(second).attempts.size(), 1U);
}

TEST_F(DispatcherTest, ADriverThatSaysAwayWhileTheDirectorySaysHereIsAskedAgainAtTheSweepNotInALoop) {
  agent_destination(kOne);
  rig.agents.set_quietly(kAgent, true);
  int refusals = 3;
  rig.driver.script = [refusals](const AttemptJob&) mutable {
    return refusals-- > 0 ? not_sent("agent_away", true) : answers(200);
  };
  start_direct(kOne);
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(reaches(id, DeliveryState::delivered));
  EXPECT_EQ(row(id).attempts.size(), 4U);
}

TEST_F(DispatcherTest, StartsNoMoreThanTheDestinationsConcurrency) {
  rig.destination(kOne).concurrency = 5;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.takes = 200us;
    return plan;
  };
  start_direct(kOne);
  for (int i = 0; i < 300; ++i) rig.append(kOne);
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(rig.driver.most_in_flight[nth<DestinationId>(kOne)], 5U);
}

TEST_F(DispatcherTest, ADestinationThatNeverAnswersDelaysNoOther) {
  rig.destination(1).concurrency = 1000;
  rig.destination(2);
  rig.driver.script = [](const AttemptJob& job) {
    Plan plan = answers(200);
    plan.hold = job.destination->id == nth<DestinationId>(1);
    return plan;
  };
  start_direct(2);
  ASSERT_TRUE(rig.becomes([&] { return rig.mode(1) == QueueMode::direct; }));
  for (int i = 0; i < 3000; ++i) rig.append(1);
  for (int i = 0; i < 500; ++i) rig.append(2);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 500; }));
  rig.driver.release();
  ASSERT_TRUE(rig.all_ended());
}

TEST_F(DispatcherTest, GoneDisablesAndParksTheRest) {
  rig.destination(kOne).concurrency = 1;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(410);
    plan.hold = true;
    return plan;
  };
  start_direct(kOne);
  const DeliveryId first = rig.append(kOne);
  const DeliveryId second = rig.append(kOne);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.driver.active.contains(first) && rig.log->rows.contains(second); }));
  rig.driver.release();
  ASSERT_TRUE(reaches(first, DeliveryState::dead));
  ASSERT_TRUE(reaches(second, DeliveryState::parked));
  EXPECT_EQ(row(first).delivery.reason, "gone");
  EXPECT_EQ(row(second).delivery.reason, "destination_disabled");
  ASSERT_TRUE(rig.eventually([&] { return rig.disabled.size() == 1; }));
  EXPECT_EQ(rig.disabled[0].second, "gone");

  rig.publish();  // an unrelated change, before the disabling is stored: still off
  const DeliveryId third = rig.append(kOne);
  ASSERT_TRUE(reaches(third, DeliveryState::parked));
  {
    const std::lock_guard lock(rig.board.mutex);
    rig.driver.script = nullptr;
  }
  rig.destination(kOne).updated_at = rig.clock.now();  // somebody has put it right
  rig.publish();
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(count(DeliveryState::delivered), 2U);
}

TEST_F(DispatcherTest, DisabledParksAndEnabledDelivers) {
  rig.destination(kOne).enabled = false;
  rig.start();
  ASSERT_TRUE(rig.becomes([&] {
    const auto status = rig.dispatcher->status(nth<DestinationId>(kOne));
    return status && status->mode == QueueMode::disabled;
  }));
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(reaches(id, DeliveryState::parked));
  EXPECT_EQ(row(id).delivery.reason, "destination_disabled");
  rig.destination(kOne).enabled = true;
  rig.publish();
  ASSERT_TRUE(reaches(id, DeliveryState::delivered));
}

TEST_F(DispatcherTest, ADeletedDestinationsDeliveriesAreCancelled) {
  rig.destination(kOne).concurrency = 1;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(500);
    plan.hold = true;
    return plan;
  };
  start_direct(kOne);
  const DeliveryId first = rig.append(kOne);
  const DeliveryId second = rig.append(kOne);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.driver.active.contains(first) && rig.log->rows.contains(second); }));
  rig.remove(kOne);
  rig.publish();
  ASSERT_TRUE(reaches(second, DeliveryState::cancelled));
  rig.driver.release();
  ASSERT_TRUE(reaches(first, DeliveryState::cancelled));
  EXPECT_EQ(row(first).delivery.reason, "destination_deleted");
  const DeliveryId late = rig.append(kOne);  // ingest had not heard of it yet
  ASSERT_TRUE(reaches(late, DeliveryState::cancelled));
  EXPECT_TRUE(rig.becomes([&] { return !rig.dispatcher->status(nth<DestinationId>(kOne)).has_value(); }));
}

TEST_F(DispatcherTest, ADriverThatThrowsIsOurFaultAndFreesItsPlace) {
  rig.destination(kOne).concurrency = 2;
  int faults = 20;
  rig.driver.script = [faults](const AttemptJob&) mutable {
    Plan plan = answers(200);
    plan.throws = faults-- > 0;
    return plan;
  };
  start_direct(kOne);
  std::vector<DeliveryId> sent;
  for (int i = 0; i < 10; ++i) sent.push_back(rig.append(kOne));
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.attempts >= 10; }));
  ASSERT_TRUE(rig.becomes([&] {
    rig.clock.advance(61s);
    const std::lock_guard lock(rig.board.mutex);
    return rig.log->open == 0;
  }));
  std::size_t internal = 0;
  for (const DeliveryId& id : sent) {
    EXPECT_EQ(row(id).delivery.attempt_count, 1U) << "only the last counts";
    for (const Attempt& attempt : row(id).attempts) internal += attempt.error_code == "internal_error";
  }
  EXPECT_EQ(internal, 20U);
}

TEST_F(DispatcherTest, ALostLeaseChangesNothingAndStopsNothing) {
  rig.destination(kOne);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  start_direct(kOne);
  const DeliveryId stolen = rig.append(kOne);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.contains(stolen); }));
  rig.log->interfere([stolen](FakeEventLog& log) { log.steal_lease(stolen); });
  ASSERT_TRUE(rig.eventually([&] { return rig.log->rows.at(stolen).token > 1'000'000; }));
  rig.driver.release();
  const DeliveryId other = rig.append(kOne);
  ASSERT_TRUE(reaches(other, DeliveryState::delivered));
  EXPECT_EQ(row(stolen).delivery.state, DeliveryState::leased);
  EXPECT_TRUE(rig.becomes([&] { return rig.dispatcher->status(nth<DestinationId>(kOne))->leased == 0; }));
}

TEST_F(DispatcherTest, AFullStoreQueueDelaysOutcomesAndLosesNone) {
  rig.destination(kOne);
  start_direct(kOne);
  rig.log->refuse_completions(3);
  std::vector<DeliveryId> sent;
  for (int i = 0; i < 50; ++i) sent.push_back(rig.append(kOne));
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(rig.driver.attempts, 50U);
  EXPECT_EQ(row(sent[0]).attempts.at(0).response_status, 200);
}

TEST_F(DispatcherTest, DrainGivesBackWhatHasNotStartedAndWaitsForTheRest) {
  rig.destination(kOne).concurrency = 2;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.takes = 50ms;
    return plan;
  };
  start_direct(kOne);
  for (int i = 0; i < 10; ++i) rig.append(kOne);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.size() == 2 && rig.log->rows.size() == 10; }));
  const auto drained = rig.drain(20s);
  EXPECT_EQ(drained.unfinished, 0U);
  EXPECT_EQ(count(DeliveryState::leased), 0U);
  EXPECT_EQ(count(DeliveryState::delivered), 2U);
  EXPECT_EQ(count(DeliveryState::pending), 8U);
  rig.append(kOne);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->rows.size() == 11; }));
  EXPECT_EQ(count(DeliveryState::pending), 9U) << "nothing is leased any more";
}

TEST_F(DispatcherTest, DrainEndsAtItsLimit) {
  rig.destination(kOne);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  start_direct(kOne);
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.contains(id); }));
  EXPECT_EQ(rig.drain(20ms).unfinished, 1U);
}

TEST_F(DispatcherTest, ABacklogFromBeforeTheStartGoesFirstAndInOrder) {
  rig.destination(kOne);
  std::vector<DeliveryId> sent;
  for (std::uint64_t n = 1; n <= 120; ++n) {
    Delivery delivery;
    delivery.id = sent.emplace_back(nth<DeliveryId>(n));
    delivery.destination_id = nth<DestinationId>(kOne);
    delivery.state = n % 3 == 0 ? DeliveryState::parked : DeliveryState::pending;
    rig.log->seed(delivery, std::make_shared<const Event>());
  }
  rig.start();
  ASSERT_TRUE(rig.all_ended());
  EXPECT_EQ(rig.driver.started[nth<DestinationId>(kOne)], sent);
}

TEST_F(DispatcherTest, AClaimCutShortByLargeBodiesIsNotTakenForTheLast) {
  rig.destination(kOne);
  auto event = std::make_shared<Event>();
  event->body.resize(8 * 1024 * 1024);
  rig.log->claim_at_most = 3;
  for (std::uint64_t n = 1001; n <= 1020; ++n) {
    Delivery delivery;
    delivery.id = nth<DeliveryId>(n);
    delivery.destination_id = nth<DestinationId>(kOne);
    delivery.state = DeliveryState::parked;
    rig.log->seed(delivery, event);
  }
  rig.start();
  ASSERT_TRUE(rig.all_ended()) << "some were left behind";
  const auto& started = rig.driver.started[nth<DestinationId>(kOne)];
  EXPECT_EQ(started.size(), 20U);
  EXPECT_TRUE(std::is_sorted(started.begin(), started.end()));
}

// One of a line is parked, the others wait behind it: they go back with it, and none later than it.
TEST_F(DispatcherTest, WhatWasParkedUnderAClockThatWasAheadIsDueWhenItGoesBack) {
  rig.destination(kOne).concurrency = 1;
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.takes = 50ms;
    return plan;
  };
  for (std::uint64_t n = 1; n <= 3; ++n) {
    Delivery delivery;
    delivery.id = nth<DeliveryId>(n);
    delivery.destination_id = nth<DestinationId>(kOne);
    delivery.state = DeliveryState::parked;
    delivery.next_at = rig.clock.now() + 1h;
    rig.log->seed(delivery, std::make_shared<const Event>());
  }
  rig.start();
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.active.size() == 1; }));
  rig.drain(20s);
  const FakeEventLog::Row last = row(nth<DeliveryId>(3));
  EXPECT_EQ(last.delivery.state, DeliveryState::pending);
  EXPECT_LE(last.delivery.next_at, rig.clock.now());
}

struct LostLeasesTest : DispatcherTest {
  LeasedDelivery handed_over() {
    LeasedDelivery leased = make_leased(5);
    NewDelivery wanted;
    wanted.id = leased.delivery.id;
    wanted.destination_id = leased.delivery.destination_id;
    const Admission admission = rig.dispatcher->admit(wanted, *leased.event);
    EXPECT_EQ(admission.state, DeliveryState::leased);
    leased.term = admission.term;
    return leased;
  }
  /// A suspect whose lease is in doubt once it is marked: its process stood still, for instance.
  void mark_while_unsure() {
    rig.destination(kOne);
    start_direct(kOne);
    LeasedDelivery leased = handed_over();
    leased.crashes = 1;
    rig.log->interfere([&](FakeEventLog& log) { log.before_marked([&] { log.be_unsure(true); }); });
    rig.dispatcher->handed_over({leased});
    std::this_thread::sleep_for(50ms);
  }
  /// The store does not know it: others have gone on with it.
  bool goes_back() {
    return rig.eventually([&] { return rig.log->fenced_out == 1 || rig.driver.attempts > 0; });
  }
  bool is_forgotten() {
    return rig.becomes([&] { return rig.dispatcher->status(nth<DestinationId>(kOne))->leased == 0; });
  }
};

TEST_F(LostLeasesTest, WhatWasAdmittedBeforeTheLossAndIsHandedOverAfterItIsNotTried) {
  rig.destination(kOne);
  start_direct(kOne);
  const LeasedDelivery leased = handed_over();
  rig.dispatcher->leases_lost();
  rig.dispatcher->handed_over({leased});
  ASSERT_TRUE(goes_back());
  EXPECT_EQ(rig.driver.attempts, 0U);
  EXPECT_TRUE(is_forgotten());
}

TEST_F(LostLeasesTest, ALossIsOnItsWayUntilWhatWasHeldIsForgotten) {
  rig.destination(kOne);
  start_direct(kOne);
  EXPECT_FALSE(rig.dispatcher->forgetting());
  std::promise<bool> on_its_way;
  boost::asio::post(*rig.loops[0], [&] {  // where it goes to
    rig.dispatcher->leases_lost();
    on_its_way.set_value(rig.dispatcher->forgetting());
  });
  EXPECT_TRUE(on_its_way.get_future().get());
  EXPECT_TRUE(rig.becomes([&] { return !rig.dispatcher->forgetting(); }));
}

TEST_F(LostLeasesTest, WhatIsAdmittedAfterTheLossIsTried) {
  rig.destination(kOne);
  start_direct(kOne);
  rig.dispatcher->leases_lost();
  ASSERT_TRUE(rig.becomes([&] { return rig.mode(kOne) == QueueMode::direct; }));
  const DeliveryId id = rig.append(kOne);
  ASSERT_TRUE(reaches(id, DeliveryState::delivered));
}

TEST_F(LostLeasesTest, ASuspectThatWasMarkedBeforeTheLossIsNotTried) {
  rig.destination(kOne);
  start_direct(kOne);
  LeasedDelivery leased = handed_over();
  leased.crashes = 1;
  rig.log->interfere([&](FakeEventLog& log) { log.before_marked([&] { rig.dispatcher->leases_lost(); }); });
  rig.dispatcher->handed_over({leased});
  ASSERT_TRUE(goes_back());
  EXPECT_EQ(rig.driver.attempts, 0U);
  EXPECT_TRUE(is_forgotten());
}

TEST_F(LostLeasesTest, ASuspectThatWasMarkedWaitsWhileItsLeaseMayBeAnothers) {
  mark_while_unsure();
  EXPECT_EQ(rig.driver.attempts, 0U);
  rig.log->be_unsure(false);
  EXPECT_TRUE(rig.eventually([&] { return rig.driver.attempts == 1; }));
}

TEST_F(LostLeasesTest, ASuspectThatWaitedIsNotTriedOnceTheLossIsKnown) {
  mark_while_unsure();
  rig.dispatcher->leases_lost();
  rig.log->be_unsure(false);
  ASSERT_TRUE(goes_back());
  EXPECT_EQ(rig.driver.attempts, 0U);
  EXPECT_TRUE(is_forgotten());
}

TEST_F(DispatcherTest, AKickFindsWhatBecameDueByHand) {
  rig.destination(kOne);
  start_direct(kOne);
  Delivery delivery;
  delivery.id = nth<DeliveryId>(77);
  delivery.destination_id = nth<DestinationId>(kOne);
  rig.log->seed(delivery, std::make_shared<const Event>());
  rig.dispatcher->kick(delivery.destination_id);
  ASSERT_TRUE(reaches(delivery.id, DeliveryState::delivered));
}

}  // namespace
}  // namespace postern::relay
