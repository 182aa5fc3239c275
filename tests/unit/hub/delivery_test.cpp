// Deliveries from the hub through real agents to real apps.

#include <gmock/gmock.h>

#include "apps.hpp"
#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "hub_world.hpp"

namespace postern::relay {
namespace {

using test::HttpListener;

std::string allow(std::uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
}

HttpListener::Options large_bodies() {
  HttpListener::Options options;
  options.on_head = [](const http::Request&) -> http::HeadDecision {
    return http::ReadBody{64 * 1024 * 1024};
  };
  return options;
}

/// Answers with what it got: the body back, and the head in headers of its own.
http::Response echo(const http::Request& request) {
  http::Response response;
  response.status = 200;
  response.body = request.body;
  response.headers = {{"X-Target", request.target},
                      {"X-Method", request.method},
                      {"X-Twice-Count", std::to_string(http::count_header(request.headers, "X-Twice"))},
                      {"X-Length", std::to_string(request.body.size())},
                      {"X-Digest", hex_encode(sha256(request.body))}};
  return response;
}

std::string header(const AgentAnswer& answer, std::string_view name) {
  const auto* value = http::find_header(answer.headers, name);
  return value ? *value : "";
}

http::Response saying(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

agent::Limits deliveries_at_once(std::size_t count) {
  agent::Limits limits;
  limits.deliveries = count;
  return limits;
}

agent::Limits bodies_up_to(std::size_t bytes) {
  agent::Limits limits;
  limits.body_bytes = bytes;
  return limits;
}

class Delivery : public HubTest {
 protected:
  Delivery() { start_hub(); }
  HttpListener app_{HttpListener::answering(echo), large_bodies()};
};

TEST_F(Delivery, ArrivesWithMethodTargetHeadersAndBodyAsTheyAre) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentAnswer answer = deliver(identity.agent_id, request_to(app_.port(), "the body"));
  EXPECT_EQ(answer.outcome, Outcome::delivered) << answer.error_code << answer.error_message;
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "the body");
  EXPECT_EQ(header(answer, "X-Target"), "/hook?x=1&y=%20");
  EXPECT_EQ(header(answer, "X-Method"), "POST");
  EXPECT_EQ(header(answer, "X-Twice-Count"), "2");
  EXPECT_GT(answer.total, Duration(0));
}

TEST_F(Delivery, EveryByteValueArrivesIdentical) {
  std::string body;
  for (int round = 0; round < 1000; ++round) {
    for (int value = 0; value < 256; ++value) body.push_back(static_cast<char>((value + round) & 0xff));
  }
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentAnswer answer = deliver(identity.agent_id, request_to(app_.port(), body));
  EXPECT_EQ(header(answer, "X-Digest"), hex_encode(sha256(body)));
  // What comes back is cut at 64 KiB, and says so.
  EXPECT_EQ(answer.body, body.substr(0, 64 * 1024));
  EXPECT_TRUE(answer.truncated);
}

TEST_F(Delivery, AnAgentThatIsAwayAnswersAtOnce) {
  const auto identity = new_identity({});
  const auto before = std::chrono::steady_clock::now();
  const AgentAnswer answer = deliver(identity.agent_id, request_to(app_.port()));
  EXPECT_EQ(answer.outcome, Outcome::not_sent);
  EXPECT_EQ(answer.error_code, "agent_away");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
  EXPECT_FALSE(hub_->present(identity.agent_id));
}

TEST_F(Delivery, WhatIsNotOnTheAllowListIsNeverDialled) {
  const auto identity = new_identity({"127.0.0.1:1", fmt::format("localhost:{}", app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentAnswer answer = deliver(identity.agent_id, request_to(app_.port()));
  EXPECT_EQ(answer.outcome, Outcome::not_sent);
  EXPECT_EQ(answer.error_code, "not_allowed");
  EXPECT_THAT(answer.error_message, testing::HasSubstr("--allow"));
}

TEST_F(Delivery, AnAppThatIsDownIsNotSent) {
  const std::uint16_t port = closed_port();
  const auto identity = new_identity({allow(port)});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentAnswer answer = deliver(identity.agent_id, request_to(port));
  EXPECT_EQ(answer.outcome, Outcome::not_sent);
  EXPECT_EQ(answer.error_code, "connect_failed");
}

TEST_F(Delivery, AnAppThatTookTheRequestAndSaysNothingIsMaybeSent) {
  DeafApp app;
  const auto identity = new_identity({allow(app.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  AgentRequest request = request_to(app.port());
  request.deadline = std::chrono::milliseconds(300);
  const AgentAnswer answer = deliver(identity.agent_id, std::move(request));
  EXPECT_EQ(answer.outcome, Outcome::maybe_sent);
  EXPECT_EQ(answer.error_code, "timeout");
}

TEST_F(Delivery, ASessionCutInTheMiddleIsMaybeSent) {
  DeafApp app;
  auto identity = new_identity({allow(app.port())});
  CutProxy way(endpoint_.port());
  identity.relay.port = way.port();
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  auto answer = deliver_later(identity.agent_id, request_to(app.port()));
  app.wait_for_bytes();
  way.cut();
  const AgentAnswer broken = answer.get();
  EXPECT_EQ(broken.outcome, Outcome::maybe_sent);
  EXPECT_EQ(broken.error_code, "connection_lost");
  wait_present(identity.agent_id, false);
}

TEST_F(Delivery, WithoutCreditItWaitsAndThenIsNotSent) {
  DeafApp deaf;
  const auto identity = new_identity({allow(deaf.port()), allow(app_.port())});
  const auto agent = start_agent(identity, deliveries_at_once(1));
  wait_present(identity.agent_id, true);
  AgentRequest first = request_to(deaf.port());
  first.deadline = std::chrono::seconds(1);
  auto stuck = deliver_later(identity.agent_id, std::move(first));
  deaf.wait_for_bytes();
  AgentRequest hasty = request_to(app_.port());
  hasty.deadline = std::chrono::milliseconds(50);
  const AgentAnswer refused = deliver(identity.agent_id, std::move(hasty));
  EXPECT_EQ(refused.outcome, Outcome::not_sent);
  EXPECT_EQ(refused.error_code, "no_credit");
  EXPECT_FALSE(refused.app_full) << "it is the session that has no room";
  // One with time gets its turn when the stuck one has run out of its own.
  const AgentAnswer patient = deliver(identity.agent_id, request_to(app_.port()));
  EXPECT_EQ(patient.outcome, Outcome::delivered) << patient.error_code;
  EXPECT_EQ(stuck.get().outcome, Outcome::maybe_sent);
}

TEST_F(Delivery, AnAppIsGivenNoMoreAtOnceThanItsBound) {
  DeafApp app;
  const auto identity = new_identity({allow(app.port()) + " max=1"});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const auto request = [&](Duration deadline) {
    AgentRequest made = request_to(app.port());
    made.deadline = deadline;
    return made;
  };
  auto first = deliver_later(identity.agent_id, request(std::chrono::seconds(2)));
  app.wait_for_bytes();
  const AgentAnswer beyond = deliver(identity.agent_id, request(std::chrono::seconds(5)));
  EXPECT_EQ(beyond.outcome, Outcome::not_sent);
  EXPECT_EQ(beyond.error_code, "no_credit");
  EXPECT_TRUE(beyond.app_full);
  EXPECT_THAT(beyond.error_message, testing::HasSubstr("1 deliveries at once"));
  EXPECT_EQ(first.get().outcome, Outcome::maybe_sent);
  // Its place is free again.
  EXPECT_EQ(deliver(identity.agent_id, request(std::chrono::milliseconds(500))).outcome, Outcome::maybe_sent);
}

TEST_F(Delivery, FiftyMegabytesToAnAppThatNeverReadsStallNobodyElse) {
  DeafApp deaf;
  const auto identity = new_identity({allow(deaf.port()), allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const std::string megabytes(10 * 1024 * 1024, 'x');
  std::vector<std::future<AgentAnswer>> stuck;
  for (int i = 0; i < 5; ++i) {
    AgentRequest request = request_to(deaf.port(), megabytes);
    request.deadline = std::chrono::seconds(5);
    stuck.push_back(deliver_later(identity.agent_id, std::move(request)));
  }
  deaf.wait_for_bytes();
  for (int i = 0; i < 50; ++i) {
    const AgentAnswer answer =
        deliver(identity.agent_id, request_to(app_.port(), std::string(32 * 1024, 'y')));
    ASSERT_EQ(answer.outcome, Outcome::delivered) << i << " " << answer.error_code;
    ASSERT_LT(answer.total, std::chrono::seconds(1));
  }
  for (auto& one : stuck) {
    const AgentAnswer answer = one.get();
    EXPECT_NE(answer.outcome, Outcome::delivered);
    EXPECT_EQ(answer.error_code, "timeout");
  }
}

TEST_F(Delivery, ManyAtOnceOnOneSessionAllComeBack) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity, deliveries_at_once(16));
  wait_present(identity.agent_id, true);
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < 300; ++i) {
    answers.push_back(deliver_later(identity.agent_id, request_to(app_.port(), std::to_string(i))));
  }
  for (int i = 0; i < 300; ++i) {
    const AgentAnswer answer = answers[static_cast<std::size_t>(i)].get();
    ASSERT_EQ(answer.outcome, Outcome::delivered) << answer.error_code << " " << answer.error_message;
    ASSERT_EQ(answer.body, std::to_string(i));
  }
}

TEST_F(Delivery, TwoAgentsEachGetOnlyTheirOwn) {
  HttpListener one(HttpListener::answering([](const auto&) { return saying(200, "one"); }), {});
  HttpListener two(HttpListener::answering([](const auto&) { return saying(200, "two"); }), {});
  const auto first = new_identity({allow(one.port())});
  const auto second = new_identity({allow(two.port())});
  const auto agent_one = start_agent(first);
  const auto agent_two = start_agent(second);
  wait_present(first.agent_id, true);
  wait_present(second.agent_id, true);
  EXPECT_EQ(hub_->sessions(), 2U);
  EXPECT_EQ(deliver(first.agent_id, request_to(one.port())).body, "one");
  EXPECT_EQ(deliver(second.agent_id, request_to(two.port())).body, "two");
  EXPECT_EQ(deliver(first.agent_id, request_to(two.port())).error_code, "not_allowed");
  EXPECT_EQ(deliver(second.agent_id, request_to(one.port())).error_code, "not_allowed");
}

TEST_F(Delivery, ARequestThatWouldNotSurviveAsHttpIsRefused) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  AgentRequest request = request_to(app_.port());
  request.headers.push_back({"X-Evil", "a\r\nX-Injected: yes"});
  EXPECT_EQ(deliver(identity.agent_id, std::move(request)).error_code, "bad_request");
}

TEST_F(Delivery, ABodyOverTheAgentsLimitIsNotSent) {
  const auto identity = new_identity({allow(app_.port())});
  const auto agent = start_agent(identity, bodies_up_to(1000));
  wait_present(identity.agent_id, true);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port(), std::string(1001, 'x'))).error_code,
            "body_too_large");
  EXPECT_EQ(deliver(identity.agent_id, request_to(app_.port(), std::string(1000, 'x'))).status, 200);
}

TEST_F(Delivery, AStatusThatIsNoSuccessIsRejected) {
  HttpListener app(HttpListener::answering([](const auto&) { return saying(503, ""); }), {});
  const auto identity = new_identity({allow(app.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentAnswer answer = deliver(identity.agent_id, request_to(app.port()));
  EXPECT_EQ(answer.outcome, Outcome::rejected);
  EXPECT_EQ(answer.status, 503);
}

}  // namespace
}  // namespace postern::relay
