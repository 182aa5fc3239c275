// Who may hold a session, and how sessions come and go.

#include <gmock/gmock.h>

#include "apps.hpp"
#include "base/bytes.hpp"
#include "hub_world.hpp"
#include "relay/limits/failure_limiter.hpp"
#include "relay/tunnel/handshake_gate.hpp"
#include "relay/tunnel/hub_metrics.hpp"
#include "tests/support/raw_socket.hpp"

namespace postern::relay {
namespace {

using test::HttpListener;

std::string allow(std::uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
}

http::Response saying(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

class Session : public HubTest {
 protected:
  Session() { start_hub(); }
  std::filesystem::path state_dir(const std::string& name) { return root_ / name; }
  ~Session() override { std::filesystem::remove_all(root_); }

  HttpListener app_{HttpListener::answering([](const auto&) { return saying("ok"); }), {}};
  std::filesystem::path root_ = [] {
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    return std::filesystem::path(::mkdtemp(path.data()));
  }();
};

TEST_F(Session, AWrongSecretIsRefusedAndAudited) {
  auto identity = new_identity({});
  identity.secret = std::string(32, 'w');
  const auto agent = start_agent(identity);
  EXPECT_EQ(agent->exit_status(), agent::kExitRevoked);
  wait_audit("agent.login_refused");
  EXPECT_EQ(audits_.front().object, identity.agent_id.to_string());
  EXPECT_EQ(audits_.front().code, "auth_failed");
  EXPECT_THAT(audits_.front().peer, testing::StartsWith("127.0.0.1:"));
  EXPECT_FALSE(hub_->present(identity.agent_id));
}

TEST_F(Session, AnUnknownAgentIsRefusedInTheSameWords) {
  auto identity = new_identity({});
  authority_.revoke(identity.agent_id);
  const auto agent = start_agent(identity);
  EXPECT_EQ(agent->exit_status(), agent::kExitRevoked);
  wait_audit("agent.login_refused");
  EXPECT_EQ(audits_.front().code, "auth_failed");
}

TEST_F(Session, ARelayWithAnotherKeyLearnsNothingOfTheAgent) {
  auto token = new_token();
  token.pins = {std::string(32, 'p')};
  const auto joined = join(token, state_dir("a"));
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, "pin_mismatch");
  EXPECT_FALSE(std::filesystem::exists(state_dir("a") / "joining.json"));
}

TEST_F(Session, TheAgentComesBackAfterTheRelayRestarts) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  stop_hub();
  wait_present(identity.agent_id, false);
  start_hub();
  wait_present(identity.agent_id, true);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port())).body, "ok");
  EXPECT_GE(authority_.generation(identity.agent_id), 1U);
}

TEST_F(Session, TheNewestSessionFencesTheOlderWhoseEndTakesNothingAway) {
  const auto identity = new_identity({allow(app_.port())});
  auto older = start_agent(identity);
  wait_present(identity.agent_id, true);
  const auto newer = start_agent(identity);
  wait_audit("agent.replaced");
  older->drain();  // its connection has ended, or ends now
  older.reset();
  EXPECT_TRUE(hub_->present(identity.agent_id));
  EXPECT_EQ(hub_->sessions(), 1U);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port())).body, "ok");
}

TEST_F(Session, ARevokedAgentIsDisconnectedAtOnceAndStaysOut) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  authority_.revoke(identity.agent_id);
  hub_->disconnect(identity.agent_id, "revoked");
  EXPECT_EQ(agent->exit_status(), agent::kExitRevoked);
  wait_present(identity.agent_id, false);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port())).error_code, "agent_away");
}

TEST_F(Session, WhatTheAuthorityNoLongerStandsByEndsAtALookWhoeverWithdrewIt) {
  const auto revoked = new_identity({});
  const auto joined_elsewhere = new_identity({});
  const auto other = new_identity({allow(app_.port())});
  const auto one = start_agent(revoked);
  const auto two = start_agent(joined_elsewhere);
  const auto three = start_agent(other);
  for (const auto* identity : {&revoked, &joined_elsewhere, &other}) wait_present(identity->agent_id, true);
  authority_.revoke(revoked.agent_id);
  authority_.add({joined_elsewhere.agent_id, {}, std::string(32, 's'), std::string(32, 'k'), 0});
  hub_->check_access();
  EXPECT_EQ(one->exit_status(), agent::kExitRevoked);
  EXPECT_EQ(two->exit_status(), agent::kExitRevoked);
  EXPECT_EQ(deliver(other.agent_id, request_to(app_.port())).body, "ok");
}

TEST_F(Session, RevokingBreaksOffWhatIsInFlightAsMaybeSent) {
  DeafApp deaf;
  const auto identity = new_identity({allow(deaf.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  auto answer = deliver_later(identity.agent_id, request_to(deaf.port()));
  deaf.wait_for_bytes();
  authority_.revoke(identity.agent_id);
  hub_->disconnect(identity.agent_id, "revoked");
  EXPECT_EQ(answer.get().outcome, Outcome::maybe_sent);
}

TEST_F(Session, AStoppingAgentFinishesWhatIsInFlight) {
  std::promise<void> arrived;
  std::promise<void> go_on;
  auto may_go_on = go_on.get_future().share();
  HttpListener slow(HttpListener::answering([&](const auto&) {
                      arrived.set_value();
                      may_go_on.wait();
                      return saying("late");
                    }),
                    {});
  const auto identity = new_identity({allow(slow.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  auto answer = deliver_later(identity.agent_id, request_to(slow.port()));
  arrived.get_future().wait();
  auto drained = std::async(std::launch::async, [&] { agent->drain(); });
  wait_present(identity.agent_id, false);
  EXPECT_EQ(deliver(identity.agent_id, request_to(slow.port())).error_code, "agent_away");
  go_on.set_value();
  EXPECT_EQ(answer.get().body, "late");
  drained.get();
}

TEST_F(Session, AStoppingRelayLetsWhatIsInFlightFinish) {
  std::promise<void> arrived;
  std::promise<void> go_on;
  auto may_go_on = go_on.get_future().share();
  HttpListener slow(HttpListener::answering([&](const auto&) {
                      arrived.set_value();
                      may_go_on.wait();
                      return saying("late");
                    }),
                    {});
  const auto identity = new_identity({allow(slow.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  auto answer = deliver_later(identity.agent_id, request_to(slow.port()));
  arrived.get_future().wait();
  hub_->drain();
  wait_present(identity.agent_id, false);
  go_on.set_value();
  EXPECT_EQ(answer.get().body, "late");
}

TEST_F(Session, SilentConnectionsKeepNobodyOut) {
  std::vector<std::unique_ptr<test::RawSocket>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<test::RawSocket>(endpoint_.port()));
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port())).body, "ok");
  EXPECT_TRUE(silent.front()->ended());  // and they end after the time for a handshake
}

TEST_F(Session, TenThousandHalfOpenHandshakesCostASessionNothing) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const std::size_t most = quick_options().handshakes_per_source + 1;
  std::size_t open_at_most = 0;
  for (int wave = 0; wave < 40; ++wave) {
    std::vector<std::unique_ptr<test::RawSocket>> half_open;
    for (int i = 0; i < 250; ++i) {
      half_open.push_back(std::make_unique<test::RawSocket>(endpoint_.port()));
      (void)half_open.back()->send("\x16\x03\x01\x02");  // the beginning of a ClientHello
    }
    EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port())).body, "ok");
    open_at_most = std::max(open_at_most, hub_->connections());
  }
  EXPECT_LE(open_at_most, most);
  EXPECT_GE(open_at_most, 2U) << "some of them did get a place";
  EXPECT_EQ(hub_->sessions(), 1U);
}

TEST_F(Session, SilentConnectionsDoNotHoldUpTheEnd) {
  stop_hub();
  HubOptions options = quick_options();
  options.limits.handshake = std::chrono::minutes(1);
  start_hub(options);
  test::RawSocket silent(endpoint_.port());
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);  // accepted after the silent one
  hub_->drain();
  EXPECT_TRUE(silent.ended());
}

TEST_F(Session, WhenAllPlacesAreTakenTheNextComerWaitsAndGetsIn) {
  stop_hub();
  HubOptions options = quick_options();
  options.handshakes = 1;
  options.limits.handshake = std::chrono::milliseconds(300);
  start_hub(options);
  const test::RawSocket silent(endpoint_.port());
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
}

TEST_F(Session, OneAddressCannotTakeAllPlaces) {
  stop_hub();
  HubOptions options = quick_options();
  options.handshakes_per_source = 1;
  start_hub(options);
  const test::RawSocket one(endpoint_.port());
  EXPECT_TRUE(test::RawSocket(endpoint_.port(), std::chrono::seconds(2)).ended());
}

TEST_F(Session, NumbersTellWhatHappened) {
  const auto value = [this](const std::string& name, const std::string& label) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (label.empty() || metric.label.front().value == label)
          return metric.counter.value + metric.gauge.value;
      }
    }
    return 0.0;
  };
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  deliver(identity.agent_id, request_to(app_.port()));
  deliver(identity.agent_id, request_to(closed_port()));
  EXPECT_EQ(value("postern_tunnel_sessions", ""), 1);
  EXPECT_EQ(value("postern_tunnel_handshakes_total", "ok"), 1);
  EXPECT_EQ(value("postern_tunnel_deliveries_total", "delivered"), 1);
  EXPECT_EQ(value("postern_tunnel_deliveries_total", "not_sent"), 1);
  EXPECT_EQ(value("postern_tunnel_deliveries_in_flight", ""), 0);
}

TEST(HubMetrics, WordsOfAnAgentMakeNoSeries) {
  prometheus::Registry registry;
  HubMetrics metrics(registry);
  for (int i = 0; i < 100; ++i) metrics.session_ended("made up " + std::to_string(i));
  metrics.session_ended("drained");
  for (const auto& family : registry.Collect()) {
    if (family.name == "postern_tunnel_sessions_ended_total") EXPECT_EQ(family.metric.size(), 2U);
  }
}

TEST_F(Session, ASourceThatKeepsFailingIsTurnedAway) {
  stop_hub();
  HubOptions options = quick_options();
  options.failures = {.burst = 2, .refill = std::chrono::hours(1), .sources = 10};
  start_hub(options);
  auto wrong = new_identity({});
  wrong.secret = std::string(32, 'w');
  for (std::size_t i = 1; i <= 2; ++i) {
    EXPECT_EQ(start_agent(wrong)->exit_status(), agent::kExitRevoked);
    wait_audit("agent.login_refused", i);
  }
  EXPECT_TRUE(test::RawSocket(endpoint_.port()).ended());
}

TEST_F(Session, JoiningLeavesAnIdentityThatLogsIn) {
  const auto token = new_token();
  auto identity = join(token, state_dir("a"));
  ASSERT_TRUE(identity) << identity.error().code << " " << identity.error().message;
  EXPECT_EQ(identity->relay.port, endpoint_.port());
  wait_audit("agent.joined");
  identity->allow = *agent::AllowList::parse({allow(app_.port())});
  const auto agent = start_agent(*identity);
  wait_present(identity->agent_id, true);
  EXPECT_EQ(deliver(identity->agent_id, request_to(app_.port())).body, "ok");
}

TEST_F(Session, AJoinTokenWorksForOneAgentOnly) {
  const auto token = new_token();
  ASSERT_TRUE(join(token, state_dir("a")));
  const auto second = join(token, state_dir("b"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "already_used");
  EXPECT_FALSE(agent::StateDir(state_dir("b")).joined());
  wait_audit("agent.join_refused");
}

TEST_F(Session, AJoinWhoseAnswerWasLostCanBeToldAgain) {
  const auto token = new_token();
  const agent::StateDir dir(state_dir("a"));
  const auto first = join(token, dir.path());
  ASSERT_TRUE(first);
  // As if the process had died between the relay's commit and its own: the join is on disk, the identity is
  // not.
  ASSERT_TRUE(dir.save(agent::Joining{token.join_id, first->secret, agent::host_facts()}));
  std::filesystem::remove(dir.path() / "state.json");
  const auto again = join(token, dir.path());
  ASSERT_TRUE(again) << again.error().code;
  EXPECT_EQ(again->agent_id, first->agent_id);
  EXPECT_EQ(again->secret, first->secret);
}

TEST_F(Session, ATokenWithAnotherSecretIsRefused) {
  auto token = new_token();
  token.join_secret = std::string(32, 'w');
  const auto joined = join(token, state_dir("a"));
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, "auth_failed");
  EXPECT_FALSE(agent::StateDir(state_dir("a")).joined());
  wait_audit("agent.join_refused");
}

TEST_F(Session, AnExpiredTokenSaysSo) {
  auto token = new_token();
  const auto keys = tunnel::derive_verifiers(tunnel::Identity::join, token.join_id.uuid, token.join_secret);
  authority_.offer({token.join_id,
                    ids_.of<AgentId>(),
                    {},
                    keys.stored_key,
                    keys.server_key,
                    clock_.now() - std::chrono::seconds(1)});
  const auto joined = join(token, state_dir("a"));
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, "expired");
}

TEST_F(Session, JoiningAnewEndsTheSessionOfTheOldSecret) {
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  ASSERT_TRUE(join(new_token(identity.agent_id), state_dir("a")));
  EXPECT_EQ(agent->exit_status(), agent::kExitRevoked);
  wait_present(identity.agent_id, false);
}

TEST_F(Session, ACopyThatShowsAnOldNumberIsNoticed) {
  auto identity = new_identity({});
  for (int i = 0; i < 7; ++i) {  // the number is not kept between these agents, as in a copied directory
    auto agent = start_agent(identity);
    wait_present(identity.agent_id, true);
    agent->drain();
    wait_present(identity.agent_id, false);
  }
  wait_audit("agent.copy_suspected");
}

TEST(FailureLimiter, FailuresOfOneSourceAreItsOwn) {
  ManualClock clock;
  FailureLimiter limiter(clock, {.burst = 2, .refill = std::chrono::seconds(10), .sources = 100});
  const auto a = boost::asio::ip::make_address("192.0.2.1");
  const auto b = boost::asio::ip::make_address("192.0.2.2");
  limiter.failed(a);
  EXPECT_TRUE(limiter.may_try(a));
  limiter.failed(a);
  EXPECT_FALSE(limiter.may_try(a));
  EXPECT_TRUE(limiter.may_try(b));
  clock.advance(std::chrono::seconds(10));
  EXPECT_TRUE(limiter.may_try(a));
}

TEST(FailureLimiter, AnIpv6NetworkIsOneSourceAndMappedAddressesAreIpv4) {
  ManualClock clock;
  FailureLimiter limiter(clock, {.burst = 1, .refill = std::chrono::seconds(10), .sources = 100});
  using boost::asio::ip::make_address;
  limiter.failed(make_address("2001:db8::1"));
  EXPECT_FALSE(limiter.may_try(make_address("2001:db8::2")));
  EXPECT_TRUE(limiter.may_try(make_address("2001:db8:0:1::1")));
  limiter.failed(make_address("::ffff:192.0.2.1"));
  EXPECT_FALSE(limiter.may_try(make_address("192.0.2.1")));
}

TEST(FailureLimiter, RemembersABoundedNumberOfSources) {
  ManualClock clock;
  FailureLimiter limiter(clock, {.burst = 5, .refill = std::chrono::seconds(10), .sources = 50});
  for (unsigned i = 0; i < 500; ++i) limiter.failed(boost::asio::ip::address_v4(0x0a000000 + i));
  EXPECT_LE(limiter.remembered(), 50U);
}

TEST(HandshakeGate, CountsInAllAndForEachSource) {
  HandshakeGate gate(4, 2);
  const auto a = boost::asio::ip::make_address("192.0.2.1");
  const auto b = boost::asio::ip::make_address("192.0.2.2");
  auto one = gate.enter(a);
  auto two = gate.enter(a);
  EXPECT_TRUE(one && two);
  EXPECT_FALSE(gate.enter(a));
  auto three = gate.enter(b);
  EXPECT_TRUE(three);
  auto four = gate.enter(boost::asio::ip::make_address("192.0.2.3"));
  EXPECT_TRUE(gate.full());
  int woken = 0;
  gate.when_free([&] { ++woken; });
  EXPECT_EQ(woken, 0);
  two = {};
  EXPECT_EQ(woken, 1);
  three = {};
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(gate.enter(a));
}

TEST(HandshakeGate, GreedySourcesLeaveRoomForTheNextOne) {
  HandshakeGate gate(256, 64);
  std::vector<HandshakeGate::Place> taken;
  for (unsigned source = 0; source < 6; ++source) {
    const boost::asio::ip::address_v4 greedy(0x0a000000 + source);
    while (auto place = gate.enter(greedy)) taken.push_back(std::move(place));
  }
  EXPECT_FALSE(gate.full());
  EXPECT_TRUE(gate.enter(boost::asio::ip::make_address("192.0.2.1")));
}

TEST(HandshakeGate, AnIpv6NetworkIsOneSource) {
  HandshakeGate gate(100, 1);
  const auto one = gate.enter(boost::asio::ip::make_address("2001:db8::1"));
  EXPECT_FALSE(gate.enter(boost::asio::ip::make_address("2001:db8::2")));
  EXPECT_TRUE(gate.enter(boost::asio::ip::make_address("2001:db8:0:1::1")));
}

}  // namespace
}  // namespace postern::relay
