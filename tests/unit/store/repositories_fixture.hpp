#pragma once
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {

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

}  // namespace postern::relay
