#include "tests/unit/store/repositories_fixture.hpp"

namespace postern::relay {
namespace {

class DestinationRepositoryTest : public RepositoriesTest {};
ENGINES(DestinationRepositoryTest);

TEST_P(DestinationRepositoryTest, AnotherWorkspaceFindsNoDestination) {
  EXPECT_EQ(read([&](Transaction& tx) { return destinations(tx).get(other, destination.id); }).error().code,
            "not_found");
  EXPECT_EQ(
      code([&](Transaction& tx) { return destinations(tx).remove(other, destination.id, clock.now()); }),
      "not_found");
  Destination foreign = destination;
  foreign.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(foreign); }), "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return destinations(tx).list(other, {}); }).items.empty());
}

TEST_P(DestinationRepositoryTest, DestinationsComeBackWhole) {
  destination.kind = DestinationKind::slack;
  destination.url = "https://hooks.slack.com/services/T/B/secret";
  destination.signing_secret.clear();
  destination.retry_schedule.clear();
  destination.concurrency = 3;
  destination.disabled_reason = "gone";
  destination.rate_per_second = 7;
  destination.rate_burst = 9;
  destination.ordering = Ordering::destination;
  destination.breaker = {.enabled = false,
                         .failure_percent = 1,
                         .least_attempts = 2,
                         .failures_in_a_row = 3,
                         .window = Duration(4),
                         .open_first = Duration(5),
                         .open_most = Duration(6),
                         .probes = 7};
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(destination); }), "ok");
  const auto found = read([&](Transaction& tx) { return destinations(tx).get(workspace, destination.id); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, DestinationKind::slack);
  EXPECT_EQ(found->url, destination.url);
  EXPECT_TRUE(found->signing_secret.empty());
  EXPECT_TRUE(found->retry_schedule.empty());
  EXPECT_EQ(found->final_statuses, destination.final_statuses);
  EXPECT_EQ(found->concurrency, 3U);
  EXPECT_EQ(found->disabled_reason, "gone");
  EXPECT_EQ(found->rate_per_second, 7U);
  EXPECT_EQ(found->rate_burst, 9U);
  EXPECT_EQ(found->ordering, Ordering::destination);
  EXPECT_EQ(found->breaker, destination.breaker);
}

TEST_P(DestinationRepositoryTest, ANatsDestinationKeepsItsSubjectAndItsMap) {
  Destination bus = destination;
  bus.id = ids.of<DestinationId>();
  bus.name = "bus";
  bus.kind = DestinationKind::nats;
  bus.url = "";
  bus.subject = "postern.{workspace}.{domain}";
  bus.event_map = R"({"stripe:invoice.paid":"billing.paid"})";
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).create(bus); }), "ok");
  auto found = read([&](Transaction& tx) { return destinations(tx).get(workspace, bus.id); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, DestinationKind::nats);
  EXPECT_EQ(found->subject, bus.subject);
  EXPECT_EQ(found->event_map, bus.event_map);
  EXPECT_EQ(found->created_at, bus.created_at);
  bus.subject = "";
  bus.event_map = "{}";
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(bus); }), "ok");
  found = read([&](Transaction& tx) { return destinations(tx).get(workspace, bus.id); });
  EXPECT_EQ(found->subject, "");
  EXPECT_EQ(found->event_map, "{}");
  EXPECT_EQ(found->updated_at, bus.updated_at);
}

TEST_P(DestinationRepositoryTest, ADestinationOfAForeignAgentIsRefused) {
  const Agent agent = make_agent(other, "theirs");
  destination.kind = DestinationKind::agent;
  destination.agent_id = agent.id;
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(destination); }), "not_found");
  destination.id = ids.of<DestinationId>();
  destination.name = "e";
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).create(destination); }), "not_found");
}

TEST_P(DestinationRepositoryTest, RemovingADestinationCancelsWhatIsOpen) {
  make_route();
  std::vector<DeliveryId> open;
  for (const auto state : {DeliveryState::pending, DeliveryState::parked, DeliveryState::leased}) {
    intake.answer = {state, ""};
    ASSERT_TRUE(append(workspace, source.id, fmt::format("k{}", static_cast<int>(state)), {destination.id}));
  }
  EXPECT_EQ(
      code([&](Transaction& tx) { return destinations(tx).remove(workspace, destination.id, clock.now()); }),
      "ok");
  for (const auto& id : intake.asked) {
    EXPECT_EQ(delivery(id).state, DeliveryState::cancelled);
    EXPECT_EQ(delivery(id).reason, "destination_deleted");
  }
  EXPECT_EQ(complete({completion(intake.leased.at(0), DeliveryState::delivered)}), 0U);
  EXPECT_TRUE(read([&](Transaction& tx) { return RouteRepository(tx).all(); }).empty());
}

}  // namespace
}  // namespace postern::relay
