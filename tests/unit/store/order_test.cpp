// Deliveries with an order key, on both engines.
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class OrderTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    source = make_source(workspace, "a");
    destination = make_destination(workspace, "d").id;
    intake.answer = {DeliveryState::pending, ""};
  }
  NewEvent made(OrderKey key) {
    NewEvent event =
        with_deliveries(make_event(workspace, source.id, fmt::format("k{}", ++last_)), {destination});
    event.deliveries[0].order_key = key;
    return event;
  }
  DeliveryId put(OrderKey key) {
    const NewEvent event = made(key);
    EXPECT_TRUE(append(event));
    return event.deliveries[0].id;
  }
  EventLog::Heads look(std::size_t limit = 100, std::size_t run = 1, OrderKey after = kNoOrder) {
    return wait_for<EventLog::Heads>([&](auto done) {
      log().claim_heads({destination, clock.now(), after, limit, run}, std::move(done));
    });
  }
  static std::vector<DeliveryId> ids_of(const EventLog::Heads& heads) {
    std::vector<DeliveryId> ids;
    for (const auto& it : heads.leased) ids.push_back(it.delivery.id);
    return ids;
  }
  void end(const LeasedDelivery& leased, DeliveryState state = DeliveryState::delivered) {
    EXPECT_EQ(complete({completion(leased, state)}), 1U);
  }

  Source source;
  DestinationId destination;
  int last_ = 0;
};
ENGINES(OrderTest);

using Ids = std::vector<DeliveryId>;

TEST_P(OrderTest, OnlyTheOldestOfEachKeyIsGiven) {
  const auto a1 = put(7), a2 = put(7), b1 = put(9);
  const auto first = look();
  EXPECT_EQ(ids_of(first), (Ids{a1, b1}));
  EXPECT_EQ(first.leased.at(0).order_key, 7);
  EXPECT_EQ(delivery(a1).state, DeliveryState::leased);
  EXPECT_TRUE(look().leased.empty()) << "the key is taken";
  end(first.leased[0]);
  EXPECT_EQ(ids_of(look()), Ids{a2});
}

TEST_P(OrderTest, ARunIsOneAfterTheOtherAndNothingElseOfItsKey) {
  Ids sent;
  for (int i = 0; i < 5; ++i) sent.push_back(put(7));
  const auto run = look(100, 3);
  EXPECT_EQ(ids_of(run), Ids(sent.begin(), sent.begin() + 3));
  end(run.leased[0]);
  EXPECT_TRUE(look(100, 3).leased.empty());
  end(run.leased[1]);
  end(run.leased[2]);
  EXPECT_EQ(ids_of(look(100, 3)), Ids(sent.begin() + 3, sent.end()));
}

TEST_P(OrderTest, OneThatWaitsForItsRetryHoldsUpItsKeyAndNoOther) {
  const auto a1 = put(7);
  const auto first = look();
  const auto a2 = put(7), b1 = put(9);
  const auto retry = completion(first.leased.at(0), DeliveryState::pending);
  EXPECT_EQ(complete({retry}), 1U);
  const auto meanwhile = look();
  EXPECT_EQ(ids_of(meanwhile), Ids{b1});
  EXPECT_EQ(meanwhile.again, retry.next_at);
  clock.advance(5s);
  const auto again = look(100, 10);
  EXPECT_EQ(ids_of(again), Ids{a1}) << "one that was tried comes alone";
  end(again.leased[0]);
  EXPECT_EQ(ids_of(look()), Ids{a2});
}

TEST_P(OrderTest, AParkedOneIsOpenAndForTheTaking) {
  intake.answer = {DeliveryState::parked, "agent_away"};
  const auto parked = put(7);
  intake.answer = {DeliveryState::pending, ""};
  const auto behind = put(7);
  EXPECT_EQ(ids_of(look(100, 10)), (Ids{parked, behind}));
}

TEST_P(OrderTest, WhatIsOverBlocksNothing) {
  const auto dead = put(7), cancelled = put(7), next = put(7);
  const auto first = look();
  EXPECT_EQ(ids_of(first), Ids{dead});
  end(first.leased[0], DeliveryState::dead);
  const auto second = look();
  EXPECT_EQ(ids_of(second), Ids{cancelled});
  end(second.leased[0], DeliveryState::cancelled);
  EXPECT_EQ(ids_of(look()), Ids{next});
}

TEST_P(OrderTest, OneThatIsNotDueEndsARun) {
  const auto first = put(7);
  const auto a1 = look();
  ASSERT_EQ(ids_of(a1), Ids{first});
  const auto behind = put(7);
  intake.answer = {DeliveryState::pending, "", 10s};
  const auto later = put(7);
  intake.answer = {DeliveryState::pending, ""};
  put(7);
  end(a1.leased[0]);
  const auto run = look(100, 10);
  EXPECT_EQ(ids_of(run), Ids{behind});
  end(run.leased[0]);
  const auto none = look(100, 10);
  EXPECT_TRUE(none.leased.empty());
  EXPECT_EQ(none.again, delivery(later).next_at);
}

TEST_P(OrderTest, AnOlderOneThatIsStoredLaterGoesNextButNeverBeside) {
  const NewEvent older = made(7);
  put(7);
  const auto younger = look();
  ASSERT_EQ(younger.leased.size(), 1U);
  ASSERT_TRUE(append(older));
  EXPECT_TRUE(look().leased.empty());
  const auto third = put(7);
  end(younger.leased[0]);
  EXPECT_EQ(ids_of(look(100, 10)), (Ids{older.deliveries[0].id, third}));
}

// What an engine remembers from one look to the next must not keep these from their turn.
TEST_P(OrderTest, AnOlderOneThanAllThatIsOverGoesBeforeWhatWaits) {
  const NewEvent oldest = made(7), older = made(7);
  put(7);
  end(look().leased.at(0));
  EXPECT_TRUE(look().leased.empty());
  ASSERT_TRUE(append(older));
  end(look().leased.at(0));
  const auto waits = put(7);
  ASSERT_TRUE(append(oldest));
  EXPECT_EQ(ids_of(look(100, 10)), (Ids{oldest.deliveries[0].id, waits}));
}

TEST_P(OrderTest, AKeyOfWhichNothingWasOpenIsFoundAgain) {
  for (int round = 0; round < 3; ++round) {
    const auto id = put(7);
    EXPECT_TRUE(look(0).leased.empty());
    const auto found = look();
    ASSERT_EQ(ids_of(found), Ids{id});
    end(found.leased[0]);
    EXPECT_TRUE(look().leased.empty());
  }
}

TEST_P(OrderTest, WhatIsParkedAgainIsStillTheFirst) {
  const auto first = put(7), second = put(7);
  const auto run = look(100, 10);
  ASSERT_EQ(ids_of(run), (Ids{first, second}));
  end(run.leased[1], DeliveryState::pending);
  EXPECT_TRUE(look().leased.empty());
  end(run.leased[0], DeliveryState::parked);
  EXPECT_EQ(ids_of(look()), Ids{first});
}

TEST_P(OrderTest, ADeadOneThatIsTriedAgainByHandGoesBehindWhatWaits) {
  const auto dead = put(7), waits = put(7);
  end(look().leased.at(0), DeliveryState::dead);
  auto ordered = read(
      [&](Transaction& tx) { return DestinationRepository(tx, store->keyring).get(workspace, destination); });
  ASSERT_TRUE(ordered);
  ordered->ordering = Ordering::key;
  ordered->ordering_key = "/id";
  ASSERT_TRUE(write_void(
      [&](Transaction& tx) { return DestinationRepository(tx, store->keyring).update(*ordered); }));
  const auto again = write<DeliveryId>(
      [&](Transaction& tx) { return DeliveryRepository(tx).retry(workspace, dead, ids, clock.now()); });
  ASSERT_TRUE(again);
  EXPECT_EQ(ids_of(look(100, 10)), (Ids{waits, *again}));
}

TEST_P(OrderTest, ALookGoesOnWhereTheLastOneEnded) {
  Ids sent;
  for (const OrderKey key : {11, 12, 13, 14, 15}) sent.push_back(put(key));
  Ids got;
  OrderKey after = kNoOrder;
  int looks = 0;
  do {
    const auto part = look(2, 1, after);
    EXPECT_LE(part.leased.size(), 2U);
    std::ranges::move(ids_of(part), std::back_inserter(got));
    after = part.seen_to;
    ++looks;
  } while (after != kNoOrder);
  EXPECT_EQ(got, sent);
  EXPECT_EQ(looks, 3);
}

// On SQLite a look runs between the writer's other tasks, so it is short.
TEST_P(OrderTest, ALookPassesSoManyKeysAtATimeAndSaysHowMany) {
  intake.answer = {DeliveryState::pending, "", 10s};
  for (OrderKey key = 2; key < 132; ++key) put(key);
  const auto first = look();
  EXPECT_TRUE(first.leased.empty());
  if (GetParam() == Engine::postgres) {
    EXPECT_EQ(first.passed, 130U);
    return;
  }
  EXPECT_EQ(first.passed, 100U);
  EXPECT_EQ(first.seen_to, 101);
  EXPECT_EQ(look(100, 1, first.seen_to).passed, 30U);
}

TEST_P(OrderTest, OtherDestinationsAreNotLookedAt) {
  put(7);
  const auto mine = std::exchange(destination, make_destination(workspace, "e").id);
  const auto here = put(7);
  EXPECT_EQ(ids_of(look()), Ids{here});
  destination = mine;
  EXPECT_EQ(look().leased.size(), 1U);
}

TEST_P(OrderTest, NoOtherClaimBringsThem) {
  put(7);
  intake.answer = {DeliveryState::parked, "agent_away"};
  put(9);
  intake.answer = {DeliveryState::pending, ""};
  const auto free = put(kNoOrder);
  EXPECT_TRUE(look(0).leased.empty());
  const auto due = claim_due();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].delivery.id, free);
  EXPECT_EQ(due[0].order_key, kNoOrder);
  EXPECT_TRUE(claim_waiting(destination).empty());
  const auto backlog =
      wait_for<std::vector<EventLog::Backlog>>([&](auto done) { log().backlog(std::move(done)); });
  ASSERT_EQ(backlog.size(), 1U);
  EXPECT_TRUE(backlog[0].in_order);
  EXPECT_EQ(look().leased.size(), 2U);
}

TEST_P(OrderTest, ManyBodiesEndALookEarlyAndItSaysSo) {
  for (const OrderKey key : {11, 12, 13}) {
    NewEvent event = made(key);
    auto large = std::make_shared<Event>(*event.event);
    large->body = std::string(40U << 20, 'x');
    event.event = large;
    ASSERT_TRUE(append(event));
  }
  const auto first = look();
  EXPECT_EQ(first.leased.size(), 2U);
  ASSERT_TRUE(first.again);
  clock.advance(1s);
  EXPECT_EQ(look().leased.size(), 1U);
}

TEST_P(OrderTest, WhoWaitsForAnOlderOneSaysSo) {
  const auto a1 = put(7), a2 = put(7), free = put(kNoOrder);
  EXPECT_EQ(delivery(a1).reason, "");
  EXPECT_EQ(delivery(a2).reason, "behind_older");
  EXPECT_EQ(delivery(free).reason, "");
  const auto behind = read([&](Transaction& tx) {
    return DeliveryRepository(tx).list(workspace, {.reason = "behind_older"}, {});
  });
  ASSERT_EQ(behind.items.size(), 1U);
  EXPECT_EQ(behind.items[0].id, a2);
  EXPECT_EQ(behind.items[0].reason, "behind_older");
  const auto first = look();
  EXPECT_EQ(delivery(a2).reason, "behind_older");
  end(first.leased.at(0));
  EXPECT_EQ(delivery(a2).reason, "");
}

TEST_P(OrderTest, AReplayGoesUnderTheKeyOfWhatItRepeats) {
  auto ordered = read(
      [&](Transaction& tx) { return DestinationRepository(tx, store->keyring).get(workspace, destination); });
  ASSERT_TRUE(ordered);
  const auto with = [&](Ordering ordering) {
    ordered->ordering = ordering;
    ordered->ordering_key = ordering == Ordering::key ? "/id" : "";
    EXPECT_TRUE(write_void(
        [&](Transaction& tx) { return DestinationRepository(tx, store->keyring).update(*ordered); }));
  };
  const NewEvent event = made(7);
  ASSERT_TRUE(append(event));
  end(look().leased.at(0));
  const auto replay = [&] {
    auto made = write<Ids>([&](Transaction& tx) {
      return DeliveryRepository(tx).replay(workspace, event.event->id, destination, ids, clock.now());
    });
    EXPECT_TRUE(made);
    return number("SELECT order_key FROM delivery ORDER BY id DESC LIMIT 1");
  };
  with(Ordering::key);
  EXPECT_EQ(replay(), 7);
  with(Ordering::none);
  EXPECT_EQ(replay(), kNoOrder);
  with(Ordering::destination);
  EXPECT_EQ(replay(), kWholeDestination);
}

TEST_P(OrderTest, ThoseOfADeletedDestinationAreCancelled) {
  const auto a1 = put(7), a2 = put(7);
  ASSERT_EQ(look().leased.size(), 1U);
  ASSERT_TRUE(write_void([&](Transaction& tx) {
    return DestinationRepository(tx, store->keyring).remove(workspace, destination, clock.now());
  }));
  EXPECT_EQ(delivery(a1).state, DeliveryState::cancelled);
  EXPECT_EQ(delivery(a2).state, DeliveryState::cancelled);
  EXPECT_TRUE(look().leased.empty());
}

TEST_P(OrderTest, TheOrderOutlivesTheProcess) {
  const auto a1 = put(7), a2 = put(7);
  ASSERT_EQ(look(100, 10).leased.size(), 2U);
  reopen();
  ASSERT_TRUE(log().recover());
  const auto again = look(100, 10);
  ASSERT_EQ(ids_of(again), (Ids{a1, a2}));
  EXPECT_GT(again.leased[0].crashes, 0U);
}

}  // namespace
}  // namespace postern::relay
