#include "relay/store/retention_repository.hpp"

#include "relay/store/replay_repository.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

class RetentionTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    source = make_source(workspace, "shop");
    destination = make_destination(workspace, "app");
  }
  bool partitioned() const { return engine() == Engine::postgres; }

  struct Made {
    EventId event;
    DeliveryId delivery;
  };
  /// An event with one delivery in that state, with one attempt unless it is open.
  Made make(DeliveryState state, WorkspaceId in, SourceId from, DestinationId to) {
    intake.answer = {is_terminal(state) ? DeliveryState::leased : state,
                     is_terminal(state) ? "" : "agent_away"};
    NewEvent event = with_deliveries(make_event(in, from, fmt::format("k{}", ++made_)), {to});
    event.dedupe_window = 1h;
    const Made made{event.event->id, event.deliveries.front().id};
    EXPECT_TRUE(append(std::move(event)));
    if (is_terminal(state)) {
      EXPECT_EQ(complete({completion(intake.leased.back(), state)}), 1U);
      intake.leased.clear();
    }
    return made;
  }
  Made make(DeliveryState state) { return make(state, workspace, source.id, destination.id); }

  /// Batch after batch until there is nothing to look at; how many went.
  std::size_t remove(Retained what, Time before, WorkspaceId in) {
    std::size_t removed = 0;
    for (int i = 0; i < 50; ++i) {
      const RetentionJob job{in, what, before};
      if (!read([&](Transaction& tx) {
            return RetentionRepository(tx, partitioned()).pending(job, clock.now());
          }))
        return removed;
      auto batch = write<RetentionBatch>(
          [&](Transaction& tx) { return RetentionRepository(tx, partitioned()).remove(job, clock.now()); });
      EXPECT_TRUE(batch);
      removed += batch->removed;
    }
    ADD_FAILURE() << "it never ends";
    return removed;
  }
  std::size_t remove(Retained what, Time before) { return remove(what, before, workspace); }
  std::uint64_t kept(Retained what) {
    return read([&](Transaction& tx) { return RetentionRepository(tx, partitioned()).kept(what); });
  }
  Result<StoredEvent> event(EventId id) {
    return read([&](Transaction& tx) { return EventRepository(tx).get(workspace, id); });
  }
  std::size_t attempts(DeliveryId id) {
    return read([&](Transaction& tx) { return DeliveryRepository(tx).attempts(workspace, id); }).size();
  }

  Source source;
  Destination destination;

 private:
  int made_ = 0;
};

ENGINES(RetentionTest);

TEST_P(RetentionTest, ABodyPastItsTimeIsEmptiedAndSaysSo) {
  const Made old = make(DeliveryState::delivered);
  clock.advance(2h);
  const Made fresh = make(DeliveryState::delivered);
  EXPECT_EQ(remove(Retained::bodies, clock.now() - 1h), 1U);
  EXPECT_TRUE(event(old.event)->event.body_expired);
  EXPECT_TRUE(event(old.event)->event.body.empty());
  EXPECT_FALSE(event(old.event)->event.headers.empty());
  EXPECT_FALSE(event(fresh.event)->event.body_expired);
  EXPECT_FALSE(event(fresh.event)->event.body.empty());
  EXPECT_EQ(remove(Retained::bodies, clock.now() - 1h), 0U);
  EXPECT_EQ(attempts(old.delivery), 1U);
}

TEST_P(RetentionTest, WhatIsGoneIsNotSentAgain) {
  const Made old = make(DeliveryState::dead);
  clock.advance(2h);
  remove(Retained::bodies, clock.now() - 1h);
  auto replay = write<std::vector<DeliveryId>>([&](Transaction& tx) {
    return DeliveryRepository(tx).replay(workspace, old.event, std::nullopt, ids, clock.now());
  });
  EXPECT_EQ(replay.error().code, "body_expired");
  auto retry = write<DeliveryId>([&](Transaction& tx) {
    return DeliveryRepository(tx).retry(workspace, old.delivery, ids, clock.now());
  });
  EXPECT_EQ(retry.error().code, "body_expired");
}

TEST_P(RetentionTest, AnEventGoesWithEverythingOfIt) {
  const Made old = make(DeliveryState::delivered);
  clock.advance(2h);
  make(DeliveryState::delivered);
  EXPECT_EQ(remove(Retained::events, clock.now() - 1h), 1U);
  EXPECT_EQ(event(old.event).error().code, "not_found");
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM delivery"), 1);
  // In PostgreSQL attempts go with their day.
  EXPECT_EQ(number("SELECT count(*) FROM attempt"), partitioned() ? 2 : 1);
}

TEST_P(RetentionTest, AnOpenDeliveryKeepsItsEventAndSoVisibly) {
  for (const Retained what : {Retained::bodies, Retained::events}) {
    const Made open = make(DeliveryState::parked);
    const Made pending = make(DeliveryState::pending);
    const Made ended = make(DeliveryState::delivered);
    clock.advance(2h);
    make(DeliveryState::delivered);
    remove(what, clock.now() - 1h);
    EXPECT_FALSE(event(open.event)->event.body.empty());
    EXPECT_FALSE(event(pending.event)->event.body.empty());
    EXPECT_TRUE(what == Retained::events ? !event(ended.event) : event(ended.event)->event.body_expired);
    EXPECT_EQ(kept(what), 2U);
    // Once it has ended it goes, at a later look.
    const auto claimed = claim_waiting(destination.id);
    std::vector<Completion> completions;
    for (const LeasedDelivery& it : claimed) completions.push_back(completion(it, DeliveryState::delivered));
    EXPECT_EQ(complete(std::move(completions)), 2U);
    clock.advance(10min);
    EXPECT_EQ(remove(what, clock.now() - 1h), 2U);
    EXPECT_EQ(kept(what), 0U);
  }
}

TEST_P(RetentionTest, ATimeMadeLongerKeepsWhatWasWaiting) {
  const Made open = make(DeliveryState::parked);
  clock.advance(2h);
  make(DeliveryState::delivered);
  remove(Retained::events, clock.now() - 1h);
  EXPECT_EQ(complete({completion(claim_waiting(destination.id).at(0), DeliveryState::delivered)}), 1U);
  clock.advance(10min);
  EXPECT_EQ(remove(Retained::events, clock.now() - 5h), 0U);
  EXPECT_TRUE(event(open.event));
  clock.advance(4h);
  EXPECT_EQ(remove(Retained::events, clock.now() - 5h), 1U);
  EXPECT_FALSE(event(open.event));
}

TEST_P(RetentionTest, AnotherWorkspaceIsLeftAlone) {
  const WorkspaceId other = make_workspace("other").id;
  const Source from = make_source(other, "shop");
  const Destination to = make_destination(other, "app");
  make(DeliveryState::delivered, other, from.id, to.id);
  make(DeliveryState::delivered);
  clock.advance(2h);
  make(DeliveryState::delivered);
  const auto bodies = [&] { return number("SELECT count(*) FROM event WHERE body_expired = 0"); };
  EXPECT_EQ(remove(Retained::bodies, clock.now() - 1h), 1U);
  EXPECT_EQ(bodies(), 2);
  EXPECT_EQ(remove(Retained::events, clock.now() - 1h), 1U);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 2);
  remove(Retained::attempts, clock.now() - 1h);
  EXPECT_EQ(remove(Retained::bodies, clock.now() - 1h, other), 1U);
}

TEST_P(RetentionTest, AttemptsGoByThemselves) {
  const Made old = make(DeliveryState::dead);
  const Made open = make(DeliveryState::parked);
  clock.advance(2h);
  const Made fresh = make(DeliveryState::delivered);
  EXPECT_EQ(remove(Retained::attempts, clock.now() - 1h), 1U);
  EXPECT_EQ(attempts(old.delivery), 0U);
  EXPECT_EQ(attempts(fresh.delivery), 1U);
  EXPECT_EQ(delivery(old.delivery).state, DeliveryState::dead);
  EXPECT_EQ(kept(Retained::attempts), 1U);
  EXPECT_EQ(delivery(open.delivery).state, DeliveryState::parked);
}

TEST_P(RetentionTest, MoreThanABatchGoesInSeveral) {
  for (std::size_t i = 0; i < RetentionRepository::kBatch + 50; ++i) make(DeliveryState::delivered);
  clock.advance(2h);
  make(DeliveryState::delivered);
  const RetentionJob job{workspace, Retained::events, clock.now() - 1h};
  auto batch = write<RetentionBatch>(
      [&](Transaction& tx) { return RetentionRepository(tx, partitioned()).remove(job, clock.now()); });
  EXPECT_EQ(batch->removed, RetentionRepository::kBatch);
  EXPECT_EQ(remove(Retained::events, clock.now() - 1h), 50U);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
}

TEST_P(RetentionTest, ReplaysThatAreOverAreForgotten) {
  const auto begin = [&] {
    Replay replay;
    replay.id = ids.of<ReplayId>();
    replay.workspace_id = workspace;
    replay.created_at = replay.paced_until = replay.next_step_at = replay.filter.until = clock.now();
    EXPECT_TRUE(write_void([&](Transaction& tx) { return ReplayRepository(tx).create(replay); }));
    return replay;
  };
  const Made dead = make(DeliveryState::dead);
  const Replay over = begin();
  ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
    ReplayRepository replays(tx);
    const auto found = replays.next(over, 10);
    EXPECT_EQ(found.size(), 1U);
    replays.make(over, found.at(0), ids, clock.now(), clock.now());
    auto cancelled = replays.cancel(workspace, over.id, clock.now());
    return cancelled ? Result<void>() : std::unexpected(cancelled.error());
  }));
  EXPECT_EQ(number("SELECT count(*) FROM replay_delivery"), 1);
  const Replay running = begin();
  clock.advance(2h);
  make(DeliveryState::delivered);
  remove(Retained::events, clock.now() - 1h);
  EXPECT_EQ(number("SELECT count(*) FROM replay_delivery"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM replay"), 1);
  EXPECT_TRUE(read([&](Transaction& tx) { return ReplayRepository(tx).get(workspace, running.id); }));
  EXPECT_FALSE(event(dead.event));
}

TEST_P(RetentionTest, OneNodeHasTheTurn) {
  const auto take = [&](char runner) {
    return write<bool>([&](Transaction& tx) -> Result<bool> {
             return RetentionRepository(tx, partitioned())
                 .take_turn(std::string(16, runner), clock.now(), clock.now() + 10s);
           })
        .value();
  };
  EXPECT_TRUE(take('a'));
  EXPECT_FALSE(take('b'));
  EXPECT_TRUE(take('a'));
  clock.advance(11s);
  EXPECT_TRUE(take('b'));
  EXPECT_FALSE(take('a'));
}

}  // namespace
}  // namespace postern::relay
