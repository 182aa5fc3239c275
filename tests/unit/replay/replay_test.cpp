#include <set>
#include <thread>

#include "tests/unit/replay/replay_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

using ReplayTest = ReplayFixture;
ENGINES(ReplayTest);

TEST_P(ReplayTest, EachMatchingDeliveryIsMadeOnceMore) {
  const auto dead = ended(250, DeliveryState::dead);
  ended(5, DeliveryState::delivered);
  const Replay replay = begin();
  EXPECT_EQ(step(replay.id).value(), 100U);  // one step is bounded
  const Replay done = finish(replay.id);
  EXPECT_EQ(done.state, ReplayState::done);
  EXPECT_EQ(done.made, 250U);
  EXPECT_EQ(done.delivered, 250U);
  EXPECT_TRUE(done.finished_at);
  std::set<DeliveryId> parents;
  for (const Delivery& made : made_by(replay.id)) parents.insert(made.replay_of.value());
  EXPECT_EQ(parents, std::set<DeliveryId>(dead.begin(), dead.end()));
}

TEST_P(ReplayTest, WhatItMakesIsSpacedByTheRate) {
  ended(6, DeliveryState::dead);
  const Replay replay = begin({}, 2);
  const Time start = clock.now();
  EXPECT_EQ(step(replay.id).value(), 4U);  // what is due in the next two seconds
  auto made = made_by(replay.id);
  ASSERT_EQ(made.size(), 4U);
  std::ranges::sort(made, {}, &Delivery::next_at);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(made[static_cast<std::size_t>(i)].next_at, start + i * 500ms);
  EXPECT_EQ(step(replay.id).value(), 0U);
  clock.advance(1s);
  EXPECT_EQ(step(replay.id).value(), 2U);
}

TEST_P(ReplayTest, FiltersChoose) {
  ended(3, DeliveryState::dead, "invoice.paid", "http_500");
  ended(2, DeliveryState::dead, "order.made", "http_422");
  ended(4, DeliveryState::delivered);
  const auto count = [&](ReplayFilter filter) {
    filter.until = clock.now() + 1s;
    return read([&](Transaction& tx) {
             return ReplayRepository(tx).count(workspace, filter, ReplayConfiguration::original);
           })
        .matching;
  };
  EXPECT_EQ(count({}), 5U);
  EXPECT_EQ(count({.state = DeliveryState::delivered}), 4U);
  EXPECT_EQ(count({.type = "order.made"}), 2U);
  EXPECT_EQ(count({.reason = "http_500"}), 3U);
  EXPECT_EQ(count({.source_id = ids.of<SourceId>()}), 0U);
  EXPECT_EQ(count({.source_id = source.id, .destination_id = destination.id}), 5U);
  EXPECT_EQ(count({.since = clock.now() + 10ms}), 0U);
  const Replay replay = begin({.type = "order.made"});
  EXPECT_EQ(finish(replay.id).made, 2U);
}

TEST_P(ReplayTest, WhatARoutesProgramsSettledIsNotSentAsItCame) {
  ended(1, DeliveryState::cancelled, "push", "filtered");
  ended(1, DeliveryState::dead, "push", "filter_failed: no such key");
  ended(1, DeliveryState::dead, "push", "transform_failed: no object");
  EXPECT_EQ(finish(begin({.state = DeliveryState::cancelled}).id).made, 0U);
  EXPECT_EQ(finish(begin().id).made, 0U);
}

TEST_P(ReplayTest, TheCountComesWithASample) {
  ended(8, DeliveryState::dead);
  ReplayFilter filter;
  filter.until = clock.now() + 1s;
  const auto count = read([&](Transaction& tx) {
    return ReplayRepository(tx).count(workspace, filter, ReplayConfiguration::original);
  });
  EXPECT_EQ(count.matching, 8U);
  EXPECT_FALSE(count.cut);
  ASSERT_EQ(count.sample.size(), 5U);
  EXPECT_EQ(count.sample.front().state, DeliveryState::dead);
}

TEST_P(ReplayTest, ASecondReplayRepeatsOnlyWhatDiedAgain) {
  ended(3, DeliveryState::dead);
  EXPECT_EQ(finish(begin().id).delivered, 3U);
  EXPECT_EQ(finish(begin().id).made, 0U);
  ended(2, DeliveryState::dead);
  EXPECT_EQ(finish(begin().id, DeliveryState::dead).failed, 2U);
  EXPECT_EQ(finish(begin().id).made, 2U);  // the repeats that died, not the first ones beside them
}

TEST_P(ReplayTest, AnotherNodeGoesOnOnlyAfterTheLease) {
  ended(150, DeliveryState::dead);
  const Replay replay = begin();
  EXPECT_EQ(step(replay.id, std::string(16, 'a')).value(), 100U);
  EXPECT_EQ(step(replay.id, std::string(16, 'b')).value(), std::nullopt);
  const auto due = [&](char runner) {
    return read([&](Transaction& tx) {
             return ReplayRepository(tx).due(ReplayConfiguration::original, std::string(16, runner),
                                             clock.now() + 5s, 10);
           })
        .size();
  };
  EXPECT_EQ(due('a'), 1U);
  EXPECT_EQ(due('b'), 0U);
  clock.advance(11s);
  EXPECT_EQ(due('b'), 1U);
  EXPECT_EQ(step(replay.id, std::string(16, 'b')).value(), 50U);
  EXPECT_EQ(step(replay.id, std::string(16, 'a')).value(), std::nullopt);
}

TEST_P(ReplayTest, TwoThatRaceMakeNothingTwice) {
  ended(300, DeliveryState::dead);
  const Replay replay = begin();
  // The lease is no help here: both say they are the same node, as one that was stopped for long would.
  const auto race = [&] {
    StepContext context{.runner = std::string(16, 'a')};
    for (int i = 0; i < 20; ++i) {
      auto done = write_and_wait(db(), [&](Transaction& tx) -> Result<void> {
        auto made = replay_step(tx, {replay.id, workspace}, context, {}, ids, clock.now());
        if (!made) return std::unexpected(made.error());
        return {};
      });
      if (!done) EXPECT_TRUE(done.error().code == "conflict" || done.error().code == "store_busy");
    }
  };
  std::thread one(race), other(race);
  one.join();
  other.join();
  const Replay after = finish(replay.id);
  EXPECT_EQ(after.made, 300U);
  EXPECT_EQ(after.delivered, 300U);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE replay_of IS NOT NULL"), 300);
  EXPECT_EQ(number("SELECT count(DISTINCT replay_of) FROM delivery WHERE replay_of IS NOT NULL"), 300);
}

TEST_P(ReplayTest, ARestartGoesOnWhereItWas) {
  ended(150, DeliveryState::dead);
  const Replay replay = begin();
  EXPECT_EQ(step(replay.id).value(), 100U);
  reopen();
  EXPECT_EQ(step(replay.id).value(), 50U);
  EXPECT_EQ(finish(replay.id).made, 150U);
}

TEST_P(ReplayTest, CancellingStopsWhatNobodyHasBegun) {
  ended(150, DeliveryState::dead);
  const Replay replay = begin();
  EXPECT_EQ(step(replay.id).value(), 100U);
  clock.advance(50ms);
  EXPECT_FALSE(claim_due(10).empty());
  auto cancelled = write<Replay>(
      [&](Transaction& tx) { return ReplayRepository(tx).cancel(workspace, replay.id, clock.now()); });
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->state, ReplayState::cancelled);
  EXPECT_EQ(cancelled->failed, 90U);
  EXPECT_EQ(step(replay.id).value(), std::nullopt);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 5 AND reason = 'replay_cancelled'"), 90);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 1"), 10);
  auto again = write<Replay>(
      [&](Transaction& tx) { return ReplayRepository(tx).cancel(workspace, replay.id, clock.now()); });
  EXPECT_EQ(again.error().code, "not_running");
}

TEST_P(ReplayTest, ADestinationThatIsAwayHoldsItUp) {
  ended(30, DeliveryState::dead);
  const Replay replay = begin();
  StepContext context{.runner = std::string(16, 'a')};
  context.limits.open = 10;
  const auto stepped = [&] {
    return write<std::optional<std::size_t>>([&](Transaction& tx) {
             return replay_step(tx, {replay.id, workspace}, context, {}, ids, clock.now());
           })
        .value();
  };
  EXPECT_EQ(stepped(), 10U);
  clock.advance(1h);
  EXPECT_EQ(stepped(), 0U);
  EXPECT_EQ(get(replay.id).open(), 10U);
  end_made(DeliveryState::delivered);
  EXPECT_EQ(stepped(), 10U);
}

TEST_P(ReplayTest, WhatCannotBeSentIsCountedAndLeftOut) {
  ended(2, DeliveryState::dead);
  ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
    auto done = tx.execute("UPDATE event SET body_expired = 1");
    return done ? Result<void>() : std::unexpected(done.error());
  }));
  ended(3, DeliveryState::dead);
  const Replay first = finish(begin().id);
  EXPECT_EQ(first.skipped_expired, 2U);
  EXPECT_EQ(first.made, 3U);
  ended(4, DeliveryState::dead);
  ASSERT_TRUE(write_void([&](Transaction& tx) {
    return DestinationRepository(tx, store->keyring).remove(workspace, destination.id, clock.now());
  }));
  const Replay second = finish(begin().id);
  EXPECT_EQ(second.made, 0U);
  EXPECT_EQ(second.skipped_gone, 4U + 2U);
}

TEST_P(ReplayTest, AnotherWorkspaceSeesAndTouchesNothing) {
  const WorkspaceId other = make_workspace("other").id;
  ended(3, DeliveryState::dead);
  const Replay replay = begin();
  EXPECT_EQ(read([&](Transaction& tx) { return ReplayRepository(tx).get(other, replay.id); }).error().code,
            "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return ReplayRepository(tx).list(other, {}); }).items.empty());
  auto cancelled = write<Replay>(
      [&](Transaction& tx) { return ReplayRepository(tx).cancel(other, replay.id, clock.now()); });
  EXPECT_EQ(cancelled.error().code, "not_found");
  ReplayFilter filter;
  filter.until = clock.now() + 1s;
  EXPECT_EQ(read([&](Transaction& tx) {
              return ReplayRepository(tx).count(other, filter, ReplayConfiguration::original);
            }).matching,
            0U);
}

TEST_P(ReplayTest, ThereIsABoundOnHowManyRun) {
  for (std::size_t i = 0; i < ReplayRepository::kRunningMost; ++i) begin();
  Replay more;
  more.id = ids.of<ReplayId>();
  more.workspace_id = workspace;
  more.created_at = more.paced_until = more.next_step_at = more.filter.until = clock.now();
  auto refused = write_void([&](Transaction& tx) { return ReplayRepository(tx).create(more); });
  EXPECT_EQ(refused.error().code, "too_many_replays");
}

}  // namespace
}  // namespace postern::relay
