#include <fstream>

#include "base/bytes.hpp"
#include "tests/unit/store/repositories_fixture.hpp"

namespace postern::relay {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Sources, routes, the catalog, what has no file of its own, and what holds for all of them.
class AllRepositoriesTest : public RepositoriesTest {
 protected:
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
};
ENGINES(AllRepositoriesTest);

TEST_P(AllRepositoriesTest, SourcesComeBackWhole) {
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

TEST_P(AllRepositoriesTest, AWorkspacesRateLimitIsItsOwn) {
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

TEST_P(AllRepositoriesTest, NamesAreUniqueInAWorkspaceOnly) {
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

TEST_P(AllRepositoriesTest, AnotherWorkspaceFindsNoSource) {
  EXPECT_EQ(read([&](Transaction& tx) { return sources(tx).get(other, source.id); }).error().code,
            "not_found");
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).remove(other, source.id); }), "not_found");
  Source foreign = source;
  foreign.workspace_id = other;
  EXPECT_EQ(code([&](Transaction& tx) { return sources(tx).update(foreign); }), "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return sources(tx).list(other, {}); }).items.empty());
}

TEST_P(AllRepositoriesTest, RoutesStayInTheirWorkspace) {
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

TEST_P(AllRepositoriesTest, PagesCoverEverythingOnceNewestFirst) {
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

TEST_P(AllRepositoriesTest, AuditKeysAndKeptAnswers) {
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

TEST_P(AllRepositoriesTest, TheCatalogHoldsWhatIsRouted) {
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

TEST_P(AllRepositoriesTest, NoSecretIsInTheFiles) {
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

TEST_P(AllRepositoriesTest, ASealedValueMovedToAnotherRowDoesNotOpen) {
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
