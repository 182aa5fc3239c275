#include "tests/unit/store/repositories_fixture.hpp"

namespace postern::relay {
namespace {

class AgentRepositoryTest : public RepositoriesTest {};
ENGINES(AgentRepositoryTest);

TEST_P(AgentRepositoryTest, AJoinTokenIsClaimedOnce) {
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

TEST_P(AgentRepositoryTest, RevokingForgetsVerifiersAndTokens) {
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

TEST_P(AgentRepositoryTest, AgentsStayInTheirWorkspaceAndWhileUsed) {
  const Agent agent = make_agent(workspace, "box");
  EXPECT_EQ(read([&](Transaction& tx) { return agents(tx).get(other, agent.id); }).error().code, "not_found");
  EXPECT_TRUE(read([&](Transaction& tx) { return agents(tx).list(other, {}); }).items.empty());
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).update(other, agent.id, "x", true); }),
            "not_found");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).remove(other, agent.id); }), "not_found");
  Enrollment foreign{ids.of<JoinId>(), agent.id, other, "sk", "half", clock.now(), ""};
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).create_enrollment(foreign); }), "not_found");
  make_agent(workspace, "second");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).update(workspace, agent.id, "second", false); }),
            "name_taken");
  EXPECT_EQ(code([&](Transaction& tx) {
              auto found = agents(tx).record_login(AgentLogin{agent.id, 7, 0, 0, {}, {}, {}}, clock.now());
              return found ? Result<void>() : std::unexpected(found.error());
            }),
            "ok");
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

/// The refusal before AUTH_OK knows of this node's logins only: a copy may have been given a number.
TEST_P(AgentRepositoryTest, ACopyThatIsRefusedStaysBehindAndTheOtherIsTheAgent) {
  const Agent agent = make_agent(workspace, "box");
  EXPECT_EQ(code([&](Transaction& tx) { return agents(tx).set_on_copy(workspace, agent.id, OnCopy::deny); }),
            "ok");
  const auto looks_copied = [&](std::uint64_t given, std::uint64_t shown, const Uuid& instance) {
    const auto found = write<LoginFindings>([&](Transaction& tx) {
      return agents(tx).record_login(AgentLogin{agent.id, given, shown, 0, instance, {}, {}}, clock.now());
    });
    return found && found->copy;
  };
  const Uuid own{1}, copy{2};
  EXPECT_FALSE(looks_copied(5, 4, own));
  EXPECT_TRUE(looks_copied(6, 2, copy));
  EXPECT_TRUE(looks_copied(7, 6, copy)) << "with the number that it was given";
  EXPECT_FALSE(looks_copied(8, 5, own));
}

}  // namespace
}  // namespace postern::relay
