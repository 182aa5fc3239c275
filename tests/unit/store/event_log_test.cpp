#include "relay/store/postgres/event_log.hpp"
#include <boost/asio/detached.hpp>
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

class EventLogTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    source = make_source(workspace, "a");
    destination = make_destination(workspace, "d").id;
  }
  Source source;
  DestinationId destination;
};
ENGINES(EventLogTest);

TEST_P(EventLogTest, KeepsEveryByteOfAnEvent) {
  const Event event = make_event(workspace, source.id, "k1");
  const auto appended = append(with_deliveries(event, {}));
  ASSERT_TRUE(appended);
  EXPECT_FALSE(appended->duplicate);
  EXPECT_EQ(appended->event_id, event.id);
  const auto stored = read([&](Transaction& tx) { return EventRepository(tx).get(workspace, event.id); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->event.headers, event.headers);
  EXPECT_EQ(stored->event.body, event.body);
  EXPECT_EQ(stored->event.target, event.target);
  EXPECT_EQ(stored->event.peer, event.peer);
  EXPECT_EQ(stored->event.type, event.type);
  EXPECT_EQ(stored->event.dedupe_key, event.dedupe_key);
  EXPECT_EQ(stored->event.received_at, event.received_at);
  EXPECT_TRUE(stored->event.verified);
}

TEST_P(EventLogTest, HandsOverLeasedDeliveriesAfterTheCommit) {
  const auto appended = append(workspace, source.id, "k1", {destination});
  ASSERT_TRUE(appended);
  ASSERT_EQ(intake.leased.size(), 1U);
  EXPECT_EQ(intake.groups, 1);
  EXPECT_EQ(intake.wakes, 0);
  EXPECT_EQ(intake.leased[0].event->id, appended->event_id);
  EXPECT_EQ(intake.leased[0].tries, 0U);
  EXPECT_EQ(delivery(intake.leased[0].delivery.id).state, DeliveryState::leased);
  EXPECT_TRUE(claim_due().empty());
}

TEST_P(EventLogTest, WakesOnceForWhatIsNotLeased) {
  intake.answer = {DeliveryState::parked, "agent_away"};
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination, make_destination(workspace, "e").id}));
  EXPECT_EQ(intake.wakes, 1);
  EXPECT_TRUE(intake.leased.empty());
  const Delivery parked = delivery(intake.asked[0]);
  EXPECT_EQ(parked.state, DeliveryState::parked);
  EXPECT_EQ(parked.reason, "agent_away");
}

TEST_P(EventLogTest, ATransformedBodyGoesWithItsDelivery) {
  const Payload payload{std::string("{\0}", 3), {{"Content-Type", "application/json"}, {"X", ""}}};
  for (const DeliveryState state : {DeliveryState::leased, DeliveryState::pending, DeliveryState::parked}) {
    intake.answer = {state, ""};
    auto event =
        with_deliveries(make_event(workspace, source.id, fmt::format("k{}", static_cast<int>(state))),
                        {destination, destination});
    event.deliveries[0].payload = std::make_shared<const Payload>(payload);
    ASSERT_TRUE(append(event));
    auto taken = state == DeliveryState::leased ? intake.leased : claim_waiting(destination);
    ASSERT_EQ(taken.size(), 2U);
    ASSERT_TRUE(taken[0].payload);
    EXPECT_EQ(taken[0].payload->body, payload.body);
    EXPECT_EQ(taken[0].payload->headers, payload.headers);
    EXPECT_EQ(taken[0].delivery.payload_bytes, payload.body.size());
    EXPECT_FALSE(taken[1].payload || taken[1].delivery.payload_bytes);
    EXPECT_EQ(delivery(taken[0].delivery.id).payload_bytes, payload.body.size());
  }
}

TEST_P(EventLogTest, WhatARouteHasDecidedIsNotAskedAbout) {
  auto event = with_deliveries(make_event(workspace, source.id, "k1"), {destination, destination});
  event.deliveries[0].decided = Admission{DeliveryState::cancelled, "filtered"};
  event.deliveries[1].decided = Admission{DeliveryState::dead, "filter_failed: why"};
  ASSERT_TRUE(append(event));
  EXPECT_TRUE(intake.asked.empty());
  EXPECT_EQ(intake.wakes, 0);
  EXPECT_EQ(delivery(event.deliveries[0].id).state, DeliveryState::cancelled);
  EXPECT_EQ(delivery(event.deliveries[0].id).reason, "filtered");
  EXPECT_EQ(delivery(event.deliveries[1].id).state, DeliveryState::dead);
  EXPECT_EQ(delivery(event.deliveries[1].id).reason, "filter_failed: why");
  clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(claim_due().empty());
}

TEST_P(EventLogTest, AFirstWaitIsCountedFromTheCommit) {
  intake.answer = {DeliveryState::pending, "", std::chrono::seconds(5)};
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  EXPECT_EQ(delivery(intake.asked[0]).next_at, clock.now() + std::chrono::seconds(5));
  EXPECT_TRUE(claim_due().empty());
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(claim_due().size(), 1U);
}

TEST_P(EventLogTest, ADuplicateGetsTheFirstIdAndIsCounted) {
  const auto first = append(workspace, source.id, "k1", {destination});
  const auto second = append(workspace, source.id, "k1", {destination});
  const auto third = append(workspace, source.id, "k1", {destination});
  ASSERT_TRUE(first && second && third);
  EXPECT_TRUE(second->duplicate);
  EXPECT_EQ(second->event_id, first->event_id);
  EXPECT_EQ(third->event_id, first->event_id);
  EXPECT_EQ(intake.asked.size(), 1U);
  const auto stored =
      read([&](Transaction& tx) { return EventRepository(tx).get(workspace, first->event_id); });
  EXPECT_EQ(stored->duplicates, 2U);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM delivery"), 1);
  EXPECT_EQ(log().stats().duplicates, 2U);
}

TEST_P(EventLogTest, DuplicatesWithinOneGroupAreSeen) {
  auto guard = boost::asio::make_work_guard(loop);
  constexpr int kAll = 200;
  int answers = 0;
  int duplicates = 0;
  for (int i = 0; i < kAll; ++i) {
    log().append(with_deliveries(make_event(workspace, source.id, fmt::format("k{}", i % 10)), {}),
                 loop.get_executor(), [&](Result<Appended> outcome) {
                   ASSERT_TRUE(outcome);
                   duplicates += outcome->duplicate;
                   if (++answers == kAll) guard.reset();
                 });
  }
  loop.run();
  EXPECT_EQ(duplicates, kAll - 10);
}

TEST_P(EventLogTest, SameKeyOfAnotherSourceOrWorkspaceIsNew) {
  const Source other = make_source(workspace, "b");
  const Workspace elsewhere = make_workspace("elsewhere");
  ASSERT_TRUE(append(workspace, source.id, "k1"));
  EXPECT_FALSE(append(workspace, other.id, "k1")->duplicate);
  EXPECT_FALSE(append(elsewhere.id, source.id, "k1")->duplicate);
  EXPECT_TRUE(append(workspace, source.id, "k1")->duplicate);
}

TEST_P(EventLogTest, TheWindowEndsToTheMicrosecond) {
  const auto first = append(workspace, source.id, "k1");
  clock.advance(std::chrono::hours(24 * 7) - Duration(1));
  EXPECT_TRUE(append(workspace, source.id, "k1")->duplicate);
  clock.advance(Duration(1));
  const auto again = append(workspace, source.id, "k1");
  EXPECT_FALSE(again->duplicate);
  EXPECT_NE(again->event_id, first->event_id);
  EXPECT_TRUE(append(workspace, source.id, "k1")->duplicate);
}

TEST_P(EventLogTest, AShortWindowIsHonoured) {
  auto event = with_deliveries(make_event(workspace, source.id, "k1"), {});
  event.dedupe_window = std::chrono::minutes(1);
  ASSERT_TRUE(append(event));
  clock.advance(std::chrono::minutes(1));
  EXPECT_FALSE(append(workspace, source.id, "k1")->duplicate);
}

TEST_P(EventLogTest, TheWindowSurvivesARestart) {
  const auto first = append(workspace, source.id, "k1");
  clock.advance(std::chrono::hours(24 * 6));
  reopen();
  const auto again = append(workspace, source.id, "k1");
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->event_id, first->event_id);
  clock.advance(std::chrono::hours(24 * 2));
  reopen();
  EXPECT_EQ(log().stats().dedupe_entries, 0U);
  EXPECT_FALSE(append(workspace, source.id, "k1")->duplicate);
}

TEST_P(EventLogTest, ExpiredKeysLeaveTheTable) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(workspace, source.id, fmt::format("k{}", i)));
  clock.advance(std::chrono::hours(24 * 9));
  ASSERT_TRUE(append(workspace, source.id, "new"));
  // On PostgreSQL one at a time does it, and the store itself may just be at it.
  auto* postgres = dynamic_cast<PostgresEventLog*>(store->event_log.get());
  for (int i = 0; postgres != nullptr && i < 200 && number("SELECT count(*) FROM dedupe") > 1; ++i) {
    postgres->maintain();
    std::this_thread::sleep_for(std::chrono::milliseconds(i == 0 ? 0 : 20));
  }
  EXPECT_EQ(number("SELECT count(*) FROM dedupe"), 1);
  if (engine() == Engine::sqlite) EXPECT_EQ(log().stats().dedupe_entries, 1U);
  EXPECT_TRUE(append(workspace, source.id, "new")->duplicate);
}

/// On PostgreSQL no index spans all days, and an id is made here from 74 random bits: nothing asks.
class SqliteEventLogTest : public StoreTest {};

TEST_F(SqliteEventLogTest, AnIdThatIsStoredIsRefusedAlone) {
  const Source source = make_source(workspace, "a");
  const auto destination = make_destination(workspace, "d").id;
  const Event event = make_event(workspace, source.id, "k1");
  ASSERT_TRUE(append(with_deliveries(event, {})));
  Event again = event;
  again.dedupe_key = "k2";
  const auto refused = append(with_deliveries(again, {destination}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "conflict");
  EXPECT_TRUE(append(workspace, source.id, "k3"));
  EXPECT_EQ(fatal, 0);
}

TEST_P(EventLogTest, CompletionRecordsTheAttemptAndTheState) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const LeasedDelivery leased = intake.leased.at(0);
  EXPECT_EQ(complete({completion(leased, DeliveryState::delivered)}), 1U);
  const Delivery done = delivery(leased.delivery.id);
  EXPECT_EQ(done.state, DeliveryState::delivered);
  EXPECT_EQ(done.reason, "http_200");
  EXPECT_EQ(done.attempt_count, 1U);
  const auto attempts =
      read([&](Transaction& tx) { return DeliveryRepository(tx).attempts(workspace, done.id); });
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].number, 1U);
  EXPECT_EQ(attempts[0].response_body, std::string("\0ok", 3));
  EXPECT_EQ(attempts[0].response_headers.at(0).value, "x");
  EXPECT_EQ(attempts[0].total, std::chrono::milliseconds(12));
}

TEST_P(EventLogTest, ARetryIsClaimedWhenItIsDue) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  EXPECT_EQ(complete({completion(intake.leased.at(0), DeliveryState::pending)}), 1U);
  EXPECT_TRUE(claim_due().empty());
  clock.advance(std::chrono::seconds(5));
  EXPECT_TRUE(claim_due(100, {destination}).empty());
  const auto claimed = claim_due();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0].tries, 1U);
  EXPECT_EQ(claimed[0].event->body, intake.leased.at(0).event->body);
  EXPECT_EQ(claimed[0].delivery.attempt_count, 1U);
  EXPECT_TRUE(claim_due().empty());
}

TEST_P(EventLogTest, UncountedTriesBurnNothing) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  auto not_sent = completion(intake.leased.at(0), DeliveryState::parked);
  not_sent.attempt->counted = false;
  EXPECT_EQ(complete({not_sent}), 1U);
  const auto claimed = claim_waiting(destination);
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0].delivery.attempt_count, 0U);
  EXPECT_EQ(claimed[0].tries, 1U);
}

TEST_P(EventLogTest, ALeaseSaysWhichAttemptWasAnsweredLast) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  LeasedDelivery leased = intake.leased.at(0);
  EXPECT_EQ(leased.answered, 0U);
  const std::pair<Outcome, unsigned> steps[] = {{Outcome::maybe_sent, 0},
                                                {Outcome::rejected, 2},
                                                {Outcome::maybe_sent, 2},
                                                {Outcome::not_sent, 2},
                                                {Outcome::rejected, 5}};
  for (const auto& [outcome, answered] : steps) {
    Completion over = completion(leased, DeliveryState::pending);
    over.attempt->outcome = outcome;
    over.next_at = clock.now();
    EXPECT_EQ(complete({over}), 1U);
    leased = claim_due().at(0);
    EXPECT_EQ(leased.answered, answered) << leased.tries;
  }
}

TEST_P(EventLogTest, AnOldTokenChangesNothing) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const LeasedDelivery first = intake.leased.at(0);
  Completion back{.delivery_id = first.delivery.id,
                  .lease_token = first.lease_token,
                  .attempt = {},
                  .next = DeliveryState::pending,
                  .next_at = clock.now(),
                  .reason = ""};
  EXPECT_EQ(complete({back}), 1U);
  EXPECT_EQ(complete({completion(first, DeliveryState::delivered)}), 0U);
  const auto second = claim_due();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second[0].lease_token, first.lease_token);
  EXPECT_EQ(
      complete({completion(first, DeliveryState::delivered), completion(second[0], DeliveryState::dead)}),
      1U);
  EXPECT_EQ(delivery(first.delivery.id).state, DeliveryState::dead);
  EXPECT_EQ(complete({completion(second[0], DeliveryState::delivered)}), 0U);
}

TEST_P(EventLogTest, RestartMakesLeasedPendingAndFencesTheOldLease) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const LeasedDelivery before = intake.leased.at(0);
  reopen();
  EXPECT_EQ(*log().recover(), 1U);
  EXPECT_EQ(*log().recover(), 0U);
  EXPECT_EQ(complete({completion(before, DeliveryState::delivered)}), 0U);
  const auto claimed = claim_due();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0].delivery.id, before.delivery.id);
  EXPECT_EQ(complete({completion(before, DeliveryState::delivered)}), 0U);
  EXPECT_EQ(complete({completion(claimed[0], DeliveryState::delivered)}), 1U);
}

TEST_P(EventLogTest, ADeliveryThatItsProcessDiedOfOverAndOverIsDead) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const auto poison = intake.leased.at(0).delivery.id;
  const auto mark = [&](const LeasedDelivery& leased) {
    return wait_for<std::vector<std::uint64_t>>(
        [&](auto done) { log().mark_started({{leased.delivery.id, leased.lease_token}}, std::move(done)); });
  };
  unsigned claims = 1;  // the hand-over
  for (; claims < 20; ++claims) {
    reopen();
    EXPECT_EQ(*log().recover(), 1U);
    const auto claimed = claim_due();
    if (claimed.empty()) break;
    EXPECT_EQ(claimed[0].crashes, claims);
    EXPECT_EQ(mark(claimed[0]), std::vector{claimed[0].lease_token});
  }
  EXPECT_EQ(claims, 5U);
  EXPECT_EQ(delivery(poison).state, DeliveryState::dead);
  EXPECT_EQ(delivery(poison).reason, "worker_crashed");
}

TEST_P(EventLogTest, AnAttemptThatIsOverClearsTheSuspicion) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  reopen();
  EXPECT_EQ(*log().recover(), 1U);
  const auto suspect = claim_due();
  ASSERT_EQ(suspect.size(), 1U);
  EXPECT_EQ(suspect[0].crashes, 1U);
  EXPECT_EQ(complete({completion(suspect[0], DeliveryState::pending)}), 1U);
  clock.advance(std::chrono::seconds(5));
  const auto again = claim_due();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].crashes, 0U);
}

TEST_P(EventLogTest, ClaimsTakeTheOldestOverAllDestinations) {
  intake.answer = {DeliveryState::pending, ""};
  std::vector<DestinationId> destinations{destination};
  for (int i = 0; i < 4; ++i) destinations.push_back(make_destination(workspace, fmt::format("e{}", i)).id);
  std::vector<DeliveryId> order;
  for (int i = 0; i < 50; ++i) {
    const auto to = destinations[static_cast<std::size_t>(i * 7) % destinations.size()];
    auto event = with_deliveries(make_event(workspace, source.id, fmt::format("k{}", i)), {to});
    order.push_back(event.deliveries[0].id);
    ASSERT_TRUE(append(event));
    clock.advance(std::chrono::milliseconds(1));
  }
  std::vector<DeliveryId> claimed;
  for (int round = 0; round < 10; ++round) {
    for (const auto& it : claim_due(7)) claimed.push_back(it.delivery.id);
  }
  EXPECT_EQ(claimed, order);
}

TEST_P(EventLogTest, WaitingOfOneDestinationComesOldestFirstParkedOrDue) {
  const auto other = make_destination(workspace, "e").id;
  std::vector<DeliveryId> order;
  for (int i = 0; i < 6; ++i) {
    intake.answer = {i % 2 ? DeliveryState::parked : DeliveryState::pending, ""};
    auto event =
        with_deliveries(make_event(workspace, source.id, fmt::format("k{}", i)), {destination, other});
    order.push_back(event.deliveries[0].id);
    ASSERT_TRUE(append(event));
  }
  std::vector<DeliveryId> claimed;
  for (const auto& it : claim_waiting(destination, 4)) claimed.push_back(it.delivery.id);
  for (const auto& it : claim_waiting(destination, 4)) claimed.push_back(it.delivery.id);
  EXPECT_EQ(claimed, order);
  const auto backlog =
      wait_for<std::vector<EventLog::Backlog>>([&](auto done) { log().backlog(std::move(done)); });
  ASSERT_EQ(backlog.size(), 1U);
  EXPECT_EQ(backlog[0].destination_id, other);
  EXPECT_GT(backlog[0].pending, 0U);
  EXPECT_GT(backlog[0].parked, 0U);
}

TEST_P(EventLogTest, NextDueIsTheEarliestStillToCome) {
  const auto next_due = [&] {
    return wait_for<std::optional<Time>>([&](auto done) { log().next_due(clock.now(), std::move(done)); });
  };
  EXPECT_EQ(next_due(), std::nullopt);
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination, make_destination(workspace, "e").id}));
  auto late = completion(intake.leased.at(0), DeliveryState::pending);
  auto soon = completion(intake.leased.at(1), DeliveryState::pending);
  soon.next_at = clock.now() + std::chrono::seconds(2);
  EXPECT_EQ(complete({late, soon}), 2U);
  EXPECT_EQ(next_due(), soon.next_at);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(next_due(), late.next_at);
}

TEST_P(EventLogTest, AClaimEndsEarlyWhenItHoldsManyBytes) {
  intake.answer = {DeliveryState::pending, ""};
  for (int i = 0; i < 3; ++i) {
    Event event = make_event(workspace, source.id, fmt::format("k{}", i));
    event.body = std::string(40U << 20, 'x');
    ASSERT_TRUE(append(with_deliveries(std::move(event), {destination})));
  }
  EXPECT_EQ(claim_due().size(), 2U);
  EXPECT_EQ(claim_due().size(), 1U);
}

TEST_P(EventLogTest, ManyThreadsAppendAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 250;
  std::vector<std::thread> threads;
  std::array<boost::asio::io_context, kThreads> loops;
  std::atomic<int> stored{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto& own = loops[static_cast<std::size_t>(t)];
      for (int i = 0; i < kEach; ++i) {
        // Half of the keys are everyone's: exactly one wins.
        const std::string key = i % 2 ? fmt::format("shared{}", i) : fmt::format("own{}-{}", t, i);
        auto task = [](EventLog& to, NewEvent event,
                       std::atomic<int>& count) -> boost::asio::awaitable<void> {
          const auto outcome = co_await relay::append(to, std::move(event));
          if (outcome && !outcome->duplicate) ++count;
        };
        boost::asio::co_spawn(
            own, task(log(), with_deliveries(make_event(workspace, source.id, key), {destination}), stored),
            boost::asio::detached);
      }
      own.run();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(stored, kThreads * kEach / 2 + kEach / 2);
  EXPECT_EQ(number("SELECT count(*) FROM event"), stored);
  EXPECT_EQ(intake.leased.size(), static_cast<std::size_t>(stored));
  store.reset();
}

}  // namespace
}  // namespace postern::relay
