#include "relay/store/agent_session_repository.hpp"

#include "relay/store/postgres/transaction.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

class AgentSessionTest : public StoreTest {
 protected:
  Engine engine() const override { return Engine::postgres; }
  void SetUp() override {
    StoreTest::SetUp();
    agent = make_agent(workspace);
    mine = log().node();
    other = other_node("1 hour");
  }
  AgentId make_agent(WorkspaceId in) {
    Agent made;
    made.id = ids.of<AgentId>();
    made.workspace_id = in;
    made.name = made.id.to_string();
    made.created_at = clock.now();
    EXPECT_TRUE(
        write_void([&](Transaction& tx) { return AgentRepository(tx, store->keyring).create(made); }));
    return made.id;
  }
  int other_node(const std::string& lease) {
    auto connection = server_database->connect();
    const pg::Params params = std::move(pg::Params().add_bytes(random.bytes(16)).add_text(lease));
    return static_cast<int>(
        connection
            .run("INSERT INTO node (name, label, version, lease_until) VALUES ($1, 'other', "
                 "'1', now() + $2::interval) RETURNING id",
                 params)
            .integer(0, 0));
  }
  void arrived(int node, std::uint64_t generation) {
    ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
      AgentSessionRepository(tx).arrived(agent, node, generation, clock.now());
      return {};
    }));
  }
  void left(int node) {
    ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
      AgentSessionRepository(tx).left(agent, node);
      return {};
    }));
  }
  /// The label of the node that holds it, as its workspace sees it from behind the second wall.
  std::string where(WorkspaceId asking) {
    return read([&](Transaction& tx) {
      tx.confine(asking);
      const auto found = AgentSessionRepository(tx).between(workspace, agent, agent);
      return found.empty() ? std::string("nowhere") : found.at(agent).node;
    });
  }
  std::string where() { return where(workspace); }

  AgentId agent;
  int mine = 0, other = 0;
};

TEST_F(AgentSessionTest, IsThereFromArrivalToLeaving) {
  EXPECT_GT(mine, 0);
  EXPECT_EQ(where(), "nowhere");
  arrived(mine, 1);
  EXPECT_EQ(where(), "test");
  left(mine);
  EXPECT_EQ(where(), "nowhere");
}

TEST_F(AgentSessionTest, ALateWordDoesNotHideWhereTheAgentWent) {
  arrived(mine, 1);
  arrived(other, 2);
  EXPECT_EQ(where(), "other");
  arrived(mine, 1);
  EXPECT_EQ(where(), "other") << "an older login says it again";
  left(mine);
  EXPECT_EQ(where(), "other");
  arrived(mine, 3);
  EXPECT_EQ(where(), "test");
}

TEST_F(AgentSessionTest, ADeadNodeHoldsNobody) {
  const int dead = other_node("-1 second");
  arrived(dead, 7);
  EXPECT_EQ(where(), "nowhere");
  arrived(mine, 3);
  EXPECT_EQ(where(), "test") << "and its high number holds up nobody";
}

TEST_F(AgentSessionTest, OthersSeeNothingOfIt) {
  arrived(mine, 1);
  EXPECT_EQ(where(make_workspace("another").id), "nowhere");
}

TEST_F(AgentSessionTest, GoesWithTheAgent) {
  arrived(mine, 1);
  ASSERT_TRUE(write_void(
      [&](Transaction& tx) { return AgentRepository(tx, store->keyring).remove(workspace, agent); }));
  EXPECT_EQ(number("SELECT count(*) FROM agent_session"), 0);
  arrived(mine, 2);
  EXPECT_EQ(number("SELECT count(*) FROM agent_session"), 0);
}

}  // namespace
}  // namespace postern::relay
