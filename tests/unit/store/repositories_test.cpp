#include <fstream>

#include "base/bytes.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Two workspaces; what belongs to one is not found through the other.
class RepositoriesTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    other = make_workspace("other").id;
    source = make_source(workspace, "a");
    destination = make_destination(workspace, "d");
  }
  Agent make_agent(WorkspaceId in, const std::string& name) {
    Agent agent;
    agent.id = ids.of<AgentId>();
    agent.workspace_id = in;
    agent.name = name;
    agent.created_at = clock.now();
    EXPECT_TRUE(write_void([&](Transaction& tx) { return agents(tx).create(agent); }));
    return agent;
  }
  /// The files of SQLite; of PostgreSQL every row of every table, where bytes are shown in hex.
  std::string everything_stored() {
    const auto base = dir.path() / "data" / "postern.db";
    if (engine() == Engine::sqlite) return bytes_of(base) + bytes_of(base.string() + "-wal");
    std::string all;
    auto connection = server_database->connect();
    const auto tables = connection.run("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'");
    for (std::size_t t = 0; t < tables.size(); ++t) {
      const auto rows = connection.run(fmt::format("SELECT x::text FROM {} x", tables.bytes(t, 0)));
      for (std::size_t i = 0; i < rows.size(); ++i) all += rows.bytes(i, 0);
    }
    return all;
  }
  Route make_route() {
    Route route{ids.of<RouteId>(), workspace, source.id, destination.id, true, clock.now()};
    EXPECT_TRUE(write_void([&](Transaction& tx) { return RouteRepository(tx).create(route); }));
    return route;
  }
  SourceRepository sources(Transaction& tx) { return {tx, store->keyring}; }
  DestinationRepository destinations(Transaction& tx) { return {tx, store->keyring}; }
  AgentRepository agents(Transaction& tx) { return {tx, store->keyring}; }
  std::string code(std::function<Result<void>(Transaction&)> job) {
    const auto outcome = write_void(std::move(job));
    return outcome ? "ok" : outcome.error().code;
  }

  WorkspaceId other;
  Source source;
  Destination destination;
};

ENGINES(RepositoriesTest);

TEST_P(RepositoriesTest, SourcesComeBackWhole) {
  source.enabled = false;
  source.scheme_json = "{\"header\":\"x\"}";
  source.secrets = {"one"};
  source.body_limit_bytes = 5;
  source.dedupe_window = std::chrono::hours(1);
  source.rate_per_second = 7;
  source.rate_burst = 9;
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).update(source); }), "ok");
  const auto found = read([&](Transaction& tx) { return sources(tx).get(workspace, source.id); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->secrets, source.secrets);
  EXPECT_EQ(found->scheme_json, source.scheme_json);
  EXPECT_EQ(found->enabled, false);
  EXPECT_EQ(found->body_limit_bytes, 5U);
  EXPECT_EQ(found->dedupe_window, std::chrono::hours(1));
  EXPECT_EQ(found->rate_per_second, 7U);
  EXPECT_EQ(found->rate_burst, 9U);
  EXPECT_EQ(found->provider, "stripe");
}

TEST_P(RepositoriesTest, AWorkspacesRateLimitIsItsOwn) {
  EXPECT_EQ(code([&](Transaction& tx) { return WorkspaceRepository(tx).set_rate_limit(other, 7, 9); }), "ok");
  const auto get = [&](WorkspaceId id) {
    return read([id](Transaction& tx) { return WorkspaceRepository(tx).get(id); });
  };
  EXPECT_EQ(get(other)->rate_per_second, 7U);
  EXPECT_EQ(get(other)->rate_burst, 9U);
  EXPECT_EQ(get(other)->name, "other");
  EXPECT_EQ(get(workspace)->rate_per_second, 0U);
  const WorkspaceId nobody = ids.of<WorkspaceId>();
  EXPECT_EQ(code([&](Transaction& tx) { return WorkspaceRepository(tx).set_rate_limit(nobody, 1, 1); }),
            "not_found");
  EXPECT_FALSE(get(nobody));
}

TEST_P(RepositoriesTest, NamesAreUniqueInAWorkspaceOnly) {
  Source again = source;
  again.id = ids.of<SourceId>();
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).create(again); }), "name_taken");
  again.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).create(again); }), "ok");
  Destination same = destination;
  same.id = ids.of<DestinationId>();
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).create(same); }), "name_taken");
  const auto second = make_source(workspace, "b");
  Source renamed = second;
  renamed.name = "a";
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).update(renamed); }), "name_taken");
}

TEST_P(RepositoriesTest, AnotherWorkspaceFindsNoSource) {
  EXPECT_EQ(read([&](Transaction& tx) { return sources(tx).get(other, source.id); }).error().code,
            "not_found");
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).remove(other, source.id); }), "not_found");
  Source foreign = source;
  foreign.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).update(foreign); }), "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return sources(tx).list(other, {}); }).items.empty());
}

TEST_P(RepositoriesTest, AnotherWorkspaceFindsNoDestination) {
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

TEST_P(RepositoriesTest, DestinationsComeBackWhole) {
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

TEST_P(RepositoriesTest, ANatsDestinationKeepsItsSubjectAndItsMap) {
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

TEST_P(RepositoriesTest, ADestinationOfAForeignAgentIsRefused) {
  const Agent agent = make_agent(other, "theirs");
  destination.kind = DestinationKind::agent;
  destination.agent_id = agent.id;
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(destination); }), "not_found");
  destination.id = ids.of<DestinationId>();
  destination.name = "e";
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).create(destination); }), "not_found");
}

TEST_P(RepositoriesTest, RemovingADestinationCancelsWhatIsOpen) {
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

TEST_P(RepositoriesTest, RoutesStayInTheirWorkspace) {
  const Route route = make_route();
  Route again = route;
  again.id = ids.of<RouteId>();
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).create(again); }), "name_taken");
  again.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).create(again); }), "not_found");
  again.source_id = make_source(other, "theirs").id;
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).create(again); }), "not_found");
  EXPECT_EQ(read([&](Transaction& tx) { return RouteRepository(tx).get(other, route.id); }).error().code,
            "not_found");
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).remove(other, route.id); }), "not_found");
  Route off = route;
  off.enabled = false;
  off.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).update(off); }), "not_found");
  off.workspace_id = workspace;
  off.filter = ".body.\"é\"";
  off.transform = ".body";
  EXPECT_EQ(code([&](Transaction& tx) { return RouteRepository(tx).update(off); }), "ok");
  EXPECT_EQ(read([&](Transaction& tx) { return RouteRepository(tx).get(workspace, route.id); })->filter,
            off.filter);
  EXPECT_EQ(read([&](Transaction& tx) { return RouteRepository(tx).all(); }).at(0).transform, ".body");
  EXPECT_FALSE(read([&](Transaction& tx) { return RouteRepository(tx).get(workspace, route.id); })->enabled);
  EXPECT_TRUE(read([&](Transaction& tx) { return RouteRepository(tx).list(other, {}); }).items.empty());
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).remove(workspace, source.id); }), "ok");
  EXPECT_TRUE(read([&](Transaction& tx) { return RouteRepository(tx).list(workspace, {}); }).items.empty());
}

TEST_P(RepositoriesTest, PagesCoverEverythingOnceNewestFirst) {
  for (int i = 0; i < 12; ++i) make_source(workspace, fmt::format("s{}", i));
  std::vector<std::string> names;
  Page page{.limit = 5, .cursor = ""};
  do {
    const auto listing = read([&](Transaction& tx) { return sources(tx).list(workspace, page); });
    EXPECT_LE(listing.items.size(), 5U);
    for (const auto& it : listing.items) names.push_back(it.name);
    page.cursor = listing.next_cursor;
  } while (!page.cursor.empty());
  ASSERT_EQ(names.size(), 13U);
  EXPECT_EQ(names.front(), "s11");
  EXPECT_EQ(names.back(), "a");
  page.cursor = "nonsense";
  EXPECT_TRUE(read([&](Transaction& tx) { return sources(tx).list(workspace, page); }).items.empty());
}

TEST_P(RepositoriesTest, AJoinTokenIsClaimedOnce) {
  const Agent agent = make_agent(workspace, "box");
  Enrollment first{
      ids.of<JoinId>(), agent.id, workspace, "sk", "server-half", clock.now() + std::chrono::minutes(15), ""};
  Enrollment second = first;
  second.id = ids.of<JoinId>();
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).create_enrollment(first); }), "ok");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).create_enrollment(second); }), "ok");
  EXPECT_EQ(read([&](Transaction& tx) { return agents(tx).enrollment(first.id); }).error().code, "not_found");
  EXPECT_EQ(read([&](Transaction& tx) { return agents(tx).enrollment(second.id); })->server_key,
            "server-half");
  const auto claim = [&](const std::string& digest) {
    auto outcome = write<AgentId>([&](Transaction& tx) {
      return agents(tx).claim(second.id, digest, "stored", "server", "{\"os\":\"x\"}", clock.now());
    });
    return outcome ? outcome->to_string() : outcome.error().code;
  };
  EXPECT_EQ(claim("digest-1"), agent.id.to_string());
  EXPECT_EQ(claim("digest-1"), agent.id.to_string());
  EXPECT_EQ(claim("digest-2"), "conflict");
  const auto joined = read([&](Transaction& tx) { return agents(tx).get(workspace, agent.id); });
  EXPECT_EQ(joined->state, AgentState::enrolled);
  EXPECT_EQ(joined->stored_key, "stored");
  EXPECT_EQ(joined->server_key, "server");
  EXPECT_EQ(joined->facts_json, "{\"os\":\"x\"}");
  clock.advance(std::chrono::minutes(15));
  EXPECT_EQ(claim("digest-1"), "expired");
}

TEST_P(RepositoriesTest, RevokingForgetsVerifiersAndTokens) {
  const Agent agent = make_agent(workspace, "box");
  Enrollment token{
      ids.of<JoinId>(), agent.id, workspace, "sk", "half", clock.now() + std::chrono::minutes(15), ""};
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).create_enrollment(token); }), "ok");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).revoke(other, agent.id); }), "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return agents(tx).enrollment(token.id); }));
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).revoke(workspace, agent.id); }), "ok");
  EXPECT_FALSE(read([&](Transaction& tx) { return agents(tx).enrollment(token.id); }));
  const auto revoked = read([&](Transaction& tx) { return agents(tx).get(workspace, agent.id); });
  EXPECT_EQ(revoked->state, AgentState::revoked);
  EXPECT_TRUE(revoked->stored_key.empty());
  EXPECT_TRUE(revoked->server_key.empty());
}

TEST_P(RepositoriesTest, AgentsStayInTheirWorkspaceAndWhileUsed) {
  const Agent agent = make_agent(workspace, "box");
  EXPECT_EQ(read([&](Transaction& tx) { return agents(tx).get(other, agent.id); }).error().code, "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return agents(tx).list(other, {}); }).items.empty());
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).rename(other, agent.id, "x"); }), "not_found");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).remove(other, agent.id); }), "not_found");
  Enrollment foreign{ids.of<JoinId>(), agent.id, other, "sk", "half", clock.now(), ""};
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).create_enrollment(foreign); }), "not_found");
  make_agent(workspace, "second");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).rename(workspace, agent.id, "second"); }),
            "name_taken");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).touch(agent.id, 7, clock.now()); }), "ok");
  EXPECT_EQ(read([&](Transaction& tx) { return agents(tx).get(workspace, agent.id); })->generation, 7U);
  destination.kind = DestinationKind::agent;
  destination.agent_id = agent.id;
  EXPECT_EQ(code([&](Transaction& tx) { return destinations(tx).update(destination); }), "ok");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).remove(workspace, agent.id); }), "in_use");
  EXPECT_EQ(
      code([&](Transaction& tx) { return destinations(tx).remove(workspace, destination.id, clock.now()); }),
      "ok");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).remove(workspace, agent.id); }), "ok");
}

TEST_P(RepositoriesTest, EventFiltersAndIsolation) {
  const Source second = make_source(workspace, "b");
  std::vector<EventId> all;
  for (int i = 0; i < 9; ++i) {
    Event event = make_event(workspace, i % 3 == 0 ? second.id : source.id, fmt::format("k{}", i));
    if (i >= 6) event.type = "charge.failed";
    all.push_back(event.id);
    intake.answer = {i == 4 ? DeliveryState::parked : DeliveryState::pending, ""};
    ASSERT_TRUE(append(with_deliveries(std::move(event), {destination.id})));
    clock.advance(std::chrono::seconds(1));
  }
  const auto count = [&](const EventFilter& filter, WorkspaceId in) {
    return read([&](Transaction& tx) { return EventRepository(tx).list(in, filter, {}); }).items.size();
  };
  const Time start = clock.now() - std::chrono::seconds(9);
  EXPECT_EQ(count({}, workspace), 9U);
  EXPECT_EQ(count({}, other), 0U);
  EXPECT_EQ(count({.source_id = second.id}, workspace), 3U);
  EXPECT_EQ(count({.source_id = second.id}, other), 0U);
  EXPECT_EQ(count({.type = "charge.failed"}, workspace), 3U);
  EXPECT_EQ(count({.source_id = second.id, .type = "charge.failed"}, workspace), 1U);
  EXPECT_EQ(count({.status = DeliveryState::parked}, workspace), 1U);
  EXPECT_EQ(count({.status = DeliveryState::pending}, workspace), 8U);
  EXPECT_EQ(count({.status = DeliveryState::delivered}, workspace), 0U);
  EXPECT_EQ(
      count({.since = start + std::chrono::seconds(2), .until = start + std::chrono::seconds(5)}, workspace),
      3U);
  EXPECT_EQ(read([&](Transaction& tx) { return EventRepository(tx).get(other, all[0]); }).error().code,
            "not_found");
  std::vector<EventId> paged;
  Page page{.limit = 4, .cursor = ""};
  do {
    const auto listing = read([&](Transaction& tx) { return EventRepository(tx).list(workspace, {}, page); });
    for (const auto& it : listing.items) paged.push_back(it.id);
    page.cursor = listing.next_cursor;
  } while (!page.cursor.empty());
  std::ranges::reverse(paged);
  EXPECT_EQ(paged, all);
}

TEST_P(RepositoriesTest, EventsOfOneInstantAreAllListed) {
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(append(workspace, source.id, fmt::format("k{}", i)));
  std::size_t seen = 0;
  Page page{.limit = 2, .cursor = ""};
  do {
    const auto listing = read([&](Transaction& tx) { return EventRepository(tx).list(workspace, {}, page); });
    seen += listing.items.size();
    page.cursor = listing.next_cursor;
  } while (!page.cursor.empty() && seen < 20);
  EXPECT_EQ(seen, 7U);
}

TEST_P(RepositoriesTest, DeliveryFiltersAndIsolation) {
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

TEST_P(RepositoriesTest, ReplayMakesNewDeliveries) {
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

TEST_P(RepositoriesTest, AReplaySendsTheSameBytesAgain) {
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

TEST_P(RepositoriesTest, WhatAProgramSettledHasNothingToSendAgain) {
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

TEST_P(RepositoriesTest, AReplayAsDecidedNowIsStoredAsItIs) {
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

TEST_P(RepositoriesTest, RetryDependsOnTheState) {
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

TEST_P(RepositoriesTest, AuditKeysAndKeptAnswers) {
  const AuditEntry entry{ids.of<AuditId>(), workspace, "relay", "source.created", "src_x", "{}", clock.now()};
  EXPECT_EQ(
      code([&](Transaction& tx) -> Result<void> {
        AuditRepository(tx).add(entry);
        IdempotencyRepository(tx).keep(workspace, "key", {"digest", 201, "body"}, clock.now());
        return ApiKeyRepository(tx).create({ids.of<KeyId>(), workspace, "admin", "d", false, clock.now()});
      }),
      "ok");
  EXPECT_EQ(read([&](Transaction& tx) { return AuditRepository(tx).list(workspace, {}); }).items.at(0).action,
            "source.created");
  EXPECT_TRUE(read([&](Transaction& tx) { return AuditRepository(tx).list(other, {}); }).items.empty());
  EXPECT_EQ(read([&](Transaction& tx) { return ApiKeyRepository(tx).all(); }).at(0).secret_digest, "d");
  const auto kept = [&](WorkspaceId in) {
    return read([&](Transaction& tx) { return IdempotencyRepository(tx).find(in, "key", clock.now()); });
  };
  EXPECT_EQ(kept(workspace)->body, "body");
  EXPECT_FALSE(kept(other));
  clock.advance(std::chrono::hours(24));
  EXPECT_FALSE(kept(workspace));
  EXPECT_EQ(code([&](Transaction& tx) -> Result<void> {
              IdempotencyRepository(tx).keep(workspace, "new", {"digest", 201, "body"}, clock.now());
              return {};
            }),
            "ok");
  EXPECT_EQ(number("SELECT count(*) FROM idempotency"), 1);
}

TEST_P(RepositoriesTest, TheCatalogHoldsWhatIsRouted) {
  make_route();
  make_agent(workspace, "box");
  const auto catalog = read([&](Transaction& tx) { return load_catalog(tx, store->keyring); });
  EXPECT_EQ(catalog->sources_by_path.at("default/a")->id, source.id);
  EXPECT_EQ(catalog->routes_by_source.at(source.id).at(0)->destination_id, destination.id);
  EXPECT_EQ(catalog->destinations.at(destination.id)->signing_secret, "whsec_signing");
  EXPECT_EQ(catalog->workspaces.size(), 2U);
  EXPECT_EQ(catalog->agents.size(), 1U);
  CatalogHolder holder;
  int changes = 0;
  holder.on_change([&](const Catalog& next) { changes += next.sources.size() == 1; });
  holder.replace(catalog);
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(holder.current(), catalog);
}

TEST_P(RepositoriesTest, NoSecretIsInTheFiles) {
  const Agent agent = make_agent(workspace, "box");
  Enrollment token{ids.of<JoinId>(),
                   agent.id,
                   workspace,
                   "sk",
                   "canary-enroll",
                   clock.now() + std::chrono::minutes(1),
                   ""};
  source.secrets = {"canary-source"};
  Destination slack = destination;
  slack.kind = DestinationKind::slack;
  slack.url = "https://hooks.slack.com/canary-slack";
  slack.signing_secret = "canary-signing";
  EXPECT_EQ(code([&](Transaction& tx) -> Result<void> {
              if (auto done = sources(tx).update(source); !done) return done;
              if (auto done = destinations(tx).update(slack); !done) return done;
              return agents(tx).create_enrollment(token);
            }),
            "ok");
  EXPECT_TRUE(write<AgentId>([&](Transaction& tx) {
    return agents(tx).claim(token.id, "digest", "stored", "canary-server", "{\"canary\":\"public\"}",
                            clock.now());
  }));
  const std::string all = everything_stored();
  EXPECT_NE(all.find("public"), std::string::npos) << "the search itself must work";
  for (const auto* secret :
       {"canary-source", "canary-slack", "canary-signing", "canary-enroll", "canary-server"}) {
    EXPECT_EQ(all.find(secret), std::string::npos) << secret;
    EXPECT_EQ(all.find(hex_encode(secret)), std::string::npos) << secret;
  }
  EXPECT_EQ(all.find(bytes_of(dir.path() / "data" / "master.key")), std::string::npos);
}

TEST_P(RepositoriesTest, ASealedValueMovedToAnotherRowDoesNotOpen) {
  const Source victim = make_source(workspace, "b");
  EXPECT_EQ(code([&](Transaction& tx) -> Result<void> {
              auto moved = tx.execute(
                  "UPDATE source SET secrets_sealed = (SELECT secrets_sealed FROM source WHERE id = ?1) "
                  "WHERE id = ?2",
                  {Blob{std::string(source.id.bytes())}, Blob{std::string(victim.id.bytes())}});
              if (!moved) return std::unexpected(moved.error());
              return {};
            }),
            "ok");
  EXPECT_THROW(read([&](Transaction& tx) { return sources(tx).get(workspace, victim.id); }),
               std::runtime_error);
  EXPECT_TRUE(read([&](Transaction& tx) { return sources(tx).get(workspace, source.id); }));
}

}  // namespace
}  // namespace postern::relay
