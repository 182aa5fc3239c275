// An agent keeps several sessions, and loses nothing when one of them goes.
#include <atomic>
#include <future>

#include "apps.hpp"
#include "hub_world.hpp"

namespace postern::relay {
namespace {

class SeveralSessions : public HubTest {
 protected:
  SeveralSessions() { start_hub(); }
  ~SeveralSessions() override { app_.release(); }
  agent::Identity identity(bool replicas = false) {
    return new_identity({fmt::format("127.0.0.1:{}", app_.port())}, replicas);
  }
  std::unique_ptr<TestAgent> start(const agent::Identity& identity, std::size_t sessions) {
    return start_agent(identity, {}, {}, sessions);
  }
  CountingApp app_;
};

TEST_F(SeveralSessions, AreKeptSideBySide) {
  const auto who = identity();
  const auto agent = start(who, 4);
  wait_sessions(4);
  const AgentStanding standing = hub_->standing(who.agent_id);
  EXPECT_EQ(standing.sessions, 4U);
  EXPECT_EQ(standing.live, 4U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(deliver(who.agent_id, request_to(app_.port())).body, "ok");
  EXPECT_EQ(app_.calls(), 20);
}

TEST_F(SeveralSessions, ABusyOneIsPassedBy) {
  const auto who = identity();
  agent::Limits limits;
  limits.deliveries = 8;
  const auto agent = start_agent(who, limits, {}, 2);
  wait_sessions(2);
  app_.hold();
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < 16; ++i) answers.push_back(deliver_later(who.agent_id, request_to(app_.port())));
  app_.wait_for_calls(16);  // more than one session takes
  app_.release();
  for (auto& answer : answers) EXPECT_EQ(answer.get().body, "ok");
}

TEST_F(SeveralSessions, AnotherProcessTakesThePlaceOfAllOfThem) {
  const auto who = identity();
  const auto older = start(who, 2);
  wait_sessions(2);
  const auto newer = start(who, 2);
  wait_audit("agent.replaced", 2);
  wait_sessions(2);
  EXPECT_EQ(hub_->standing(who.agent_id).sessions, 2U);
  EXPECT_EQ(deliver(who.agent_id, request_to(app_.port())).body, "ok");
}

TEST_F(SeveralSessions, ReplicasStandSideBySide) {
  const auto who = identity(true);
  const auto one = start(who, 2);
  wait_sessions(2);
  auto other = start(who, 2);
  wait_sessions(4);
  app_.hold();
  auto answer = deliver_later(who.agent_id, request_to(app_.port()));
  app_.wait_for_calls(1);
  app_.release();
  EXPECT_EQ(answer.get().body, "ok");
  other->drain();
  wait_sessions(2);
  EXPECT_EQ(deliver(who.agent_id, request_to(app_.port())).body, "ok");
}

TEST_F(SeveralSessions, WhatOneReplicaHasNoPlaceForGoesToTheOther) {
  const auto who = new_identity({fmt::format("127.0.0.1:{} max=1", app_.port())}, true);
  const auto one = start(who, 2);
  const auto other = start(who, 2);
  wait_sessions(4);
  for (int round = 1; round <= 10; ++round) {
    app_.hold();
    auto first = deliver_later(who.agent_id, request_to(app_.port()));
    app_.wait_for_calls(2 * round - 1);
    auto second = deliver_later(who.agent_id, request_to(app_.port()));
    app_.wait_for_calls(2 * round);
    const AgentAnswer third = deliver(who.agent_id, request_to(app_.port()));
    EXPECT_TRUE(third.app_full) << third.error_code;
    app_.release();
    EXPECT_EQ(first.get().body, "ok");
    EXPECT_EQ(second.get().body, "ok");
  }
}

TEST_F(SeveralSessions, RevokingEndsAll) {
  const auto who = identity();
  const auto agent = start(who, 3);
  wait_sessions(3);
  authority_.revoke(who.agent_id);
  hub_->disconnect(who.agent_id, "revoked");
  EXPECT_EQ(agent->exit_status(), agent::kExitRevoked);
  wait_sessions(0);
  EXPECT_FALSE(hub_->present(who.agent_id));
}

TEST_F(SeveralSessions, DrainingFinishesOnAll) {
  const auto who = identity();
  agent::Limits limits;
  limits.deliveries = 8;
  const auto agent = start_agent(who, limits, {}, 2);
  wait_sessions(2);
  app_.hold();
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < 10; ++i) answers.push_back(deliver_later(who.agent_id, request_to(app_.port())));
  app_.wait_for_calls(10);
  auto drained = std::async(std::launch::async, [&] { agent->drain(); });
  wait_sessions(0);
  app_.release();
  for (auto& answer : answers) EXPECT_EQ(answer.get().body, "ok");
  drained.get();
}

TEST_F(SeveralSessions, MoveToAnotherNodeBeforeTheFirstGoes) {
  const auto who = identity();
  const auto agent = start(who, 2);
  wait_sessions(2);
  app_.hold();
  auto before = deliver_later(who.agent_id, request_to(app_.port()));
  app_.wait_for_calls(1);
  auto older = succeed_hub();
  wait_sessions(2);
  auto after = deliver_later(who.agent_id, request_to(app_.port()));
  app_.wait_for_calls(2);
  EXPECT_FALSE(older->present(who.agent_id));
  EXPECT_GT(older->connections(), 0U) << "what was in flight is waited for";
  app_.release();
  EXPECT_EQ(before.get().body, "ok");
  EXPECT_EQ(after.get().body, "ok");
  EXPECT_EQ(app_.calls(), 2);
  end_hub(std::move(older));
}

TEST_F(SeveralSessions, WithNowhereToMoveToTheyStayUntilTheEnd) {
  const auto who = identity();
  const auto agent = start(who, 2);
  wait_sessions(2);
  hub_->announce();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(deliver(who.agent_id, request_to(app_.port())).body, "ok");
  hub_->drain();
  wait_sessions(0);
}

}  // namespace
}  // namespace postern::relay
