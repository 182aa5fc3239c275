#include "tests/unit/store/repositories_fixture.hpp"

namespace postern::relay {
namespace {

class DeliveryRepositoryTest : public RepositoriesTest {};
ENGINES(DeliveryRepositoryTest);

TEST_P(DeliveryRepositoryTest, DeliveryFiltersAndIsolation) {
  const auto second = make_destination(workspace, "e").id;
  const auto first_event = append(workspace, source.id, "k1", {destination.id, second});
  ASSERT_TRUE(append(workspace, source.id, "k2", {destination.id}));
  EXPECT_EQ(complete({completion(intake.leased.at(0), DeliveryState::dead)}), 1U);
  const auto count = [&](const DeliveryFilter& filter, WorkspaceId in) {
    return read([&](Transaction& tx) { return DeliveryRepository(tx).list(in, filter, {}); }).items.size();
  };
  EXPECT_EQ(count({}, workspace), 3U);
  EXPECT_EQ(count({}, other), 0U);
  EXPECT_EQ(count({.event_id = first_event->event_id}, workspace), 2U);
  EXPECT_EQ(count({.event_id = first_event->event_id}, other), 0U);
  EXPECT_EQ(count({.destination_id = second}, workspace), 1U);
  EXPECT_EQ(count({.destination_id = second}, other), 0U);
  EXPECT_EQ(count({.state = DeliveryState::dead}, workspace), 1U);
  EXPECT_EQ(count({.state = DeliveryState::leased}, workspace), 2U);
  EXPECT_EQ(count({.state = DeliveryState::dead}, other), 0U);
  EXPECT_EQ(count({.state = DeliveryState::leased}, other), 0U);
  const auto id = intake.leased.at(0).delivery.id;
  EXPECT_EQ(read([&](Transaction& tx) { return DeliveryRepository(tx).get(other, id); }).error().code,
            "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return DeliveryRepository(tx).attempts(other, id); }).empty());
  EXPECT_EQ(read([&](Transaction& tx) { return DeliveryRepository(tx).attempts(workspace, id); }).size(), 1U);
}

TEST_P(DeliveryRepositoryTest, ReplayMakesNewDeliveries) {
  const auto second = make_destination(workspace, "e").id;
  const auto event = append(workspace, source.id, "k1", {destination.id, second})->event_id;
  const auto replay = [&](WorkspaceId in, std::optional<DestinationId> to) {
    return write<std::vector<DeliveryId>>(
        [&](Transaction& tx) { return DeliveryRepository(tx).replay(in, event, to, ids, clock.now()); });
  };
  EXPECT_EQ(replay(other, {}).error().code, "not_found");
  EXPECT_EQ(replay(workspace, make_destination(other, "theirs").id).error().code, "not_found");
  const auto both = replay(workspace, {});
  ASSERT_TRUE(both);
  ASSERT_EQ(both->size(), 2U);
  EXPECT_EQ(delivery(both->at(0)).replay_of, intake.leased.at(0).delivery.id);
  EXPECT_EQ(delivery(both->at(0)).state, DeliveryState::pending);
  EXPECT_EQ(replay(workspace, second)->size(), 1U);
  const auto fresh = make_destination(workspace, "f").id;
  const auto new_one = replay(workspace, fresh);
  ASSERT_EQ(new_one->size(), 1U);
  EXPECT_EQ(delivery(new_one->at(0)).replay_of, std::nullopt);
  EXPECT_EQ(claim_due().size(), 4U);
}

TEST_P(DeliveryRepositoryTest, AReplaySendsTheSameBytesAgain) {
  auto event = with_deliveries(make_event(workspace, source.id, "k1"), {destination.id});
  event.deliveries[0].payload =
      std::make_shared<const Payload>(Payload{"{}", {{"Content-Type", "application/json"}}});
  ASSERT_TRUE(append(event));
  const auto made = write<std::vector<DeliveryId>>([&](Transaction& tx) {
    return DeliveryRepository(tx).replay(workspace, event.event->id, std::nullopt, ids, clock.now());
  });
  ASSERT_TRUE(made && made->size() == 1);
  const auto payload =
      read([&](Transaction& tx) { return DeliveryRepository(tx).payload(workspace, made->at(0)); });
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->body, "{}");
  EXPECT_EQ(payload->headers, event.deliveries[0].payload->headers);
  const auto claimed = claim_due();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0].payload->body, "{}");
  const Workspace other = make_workspace("elsewhere");
  EXPECT_FALSE(read([&](Transaction& tx) { return DeliveryRepository(tx).payload(other.id, made->at(0)); }));
}

TEST_P(DeliveryRepositoryTest, WhatAProgramSettledHasNothingToSendAgain) {
  const Destination second = make_destination(workspace, "second");
  auto event = with_deliveries(make_event(workspace, source.id, "k1"), {destination.id, second.id});
  event.deliveries[0].decided = Admission{DeliveryState::cancelled, "filtered"};
  ASSERT_TRUE(append(event));
  const auto replay = [&](std::optional<DestinationId> only) {
    return write<std::vector<DeliveryId>>([&](Transaction& tx) {
      return DeliveryRepository(tx).replay(workspace, event.event->id, only, ids, clock.now());
    });
  };
  EXPECT_EQ(replay(std::nullopt)->size(), 1U) << "the other one's";
  EXPECT_EQ(replay(destination.id).error().code, "not_replayable");
  const auto retried = write<DeliveryId>([&](Transaction& tx) {
    return DeliveryRepository(tx).retry(workspace, event.deliveries[0].id, ids, clock.now());
  });
  EXPECT_EQ(retried.error().code, "not_retryable");
}

TEST_P(DeliveryRepositoryTest, AReplayAsDecidedNowIsStoredAsItIs) {
  auto event = with_deliveries(make_event(workspace, source.id, "k1"), {destination.id});
  ASSERT_TRUE(append(event));
  std::vector<NewDelivery> decided(2, {ids.of<DeliveryId>(), destination.id});
  decided[0].payload = std::make_shared<const Payload>(Payload{"{}", {{"Content-Type", "a"}}});
  decided[1].id = ids.of<DeliveryId>();
  decided[1].decided = Admission{DeliveryState::dead, "filter_failed: x"};
  const auto store_them = [&](WorkspaceId in) {
    return write_void([&, in](Transaction& tx) {
      return DeliveryRepository(tx).replay_as(in, event.event->id, decided, clock.now());
    });
  };
  EXPECT_EQ(store_them(make_workspace("elsewhere").id).error().code, "not_found");
  ASSERT_TRUE(store_them(workspace));
  EXPECT_EQ(delivery(decided[1].id).state, DeliveryState::dead);
  EXPECT_EQ(delivery(decided[0].id).replay_of, event.deliveries[0].id);
  const auto claimed = claim_due();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0].delivery.id, decided[0].id);
  EXPECT_EQ(claimed[0].payload->body, "{}");
}

TEST_P(DeliveryRepositoryTest, RetryDependsOnTheState) {
  const auto retry = [&](WorkspaceId in, DeliveryId id) {
    return write<DeliveryId>(
        [&](Transaction& tx) { return DeliveryRepository(tx).retry(in, id, ids, clock.now()); });
  };
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination.id}));
  const DeliveryId id = intake.leased.at(0).delivery.id;
  EXPECT_EQ(retry(other, id).error().code, "not_found");
  EXPECT_EQ(retry(workspace, id).error().code, "not_retryable");
  EXPECT_EQ(complete({completion(intake.leased.at(0), DeliveryState::pending)}), 1U);
  EXPECT_TRUE(claim_due().empty());
  EXPECT_EQ(*retry(workspace, id), id);
  const auto claimed = claim_due();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(complete({completion(claimed[0], DeliveryState::dead)}), 1U);
  const auto again = retry(workspace, id);
  ASSERT_TRUE(again);
  EXPECT_NE(*again, id);
  EXPECT_EQ(delivery(*again).replay_of, id);
  const auto last = claim_due();
  EXPECT_EQ(complete({completion(last.at(0), DeliveryState::delivered)}), 1U);
  EXPECT_EQ(retry(workspace, *again).error().code, "not_retryable");
}

}  // namespace
}  // namespace postern::relay
