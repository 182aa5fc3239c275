// The three drivers against a real server on loopback and an agent directory that answers from a script.
#include "relay/destinations/drivers.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <boost/json/parse.hpp>

#include "base/bytes.hpp"
#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/request_headers.hpp"
#include "relay/destinations/signing_secret.hpp"
#include "tests/unit/destinations/loop_fixture.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class ScriptedAgents final : public AgentDirectory {
 public:
  bool present(AgentId) const override { return true; }
  asio::awaitable<AgentAnswer> deliver(AgentId agent, AgentRequest request) override {
    asked_agent = agent;
    asked = std::move(request);
    co_return answer;
  }
  void acknowledge(AgentId, DeliveryId delivery, unsigned attempt) override {
    acknowledged.emplace_back(delivery, attempt);
  }
  void on_presence(std::function<void(AgentId, bool)>) override {}
  void disconnect(AgentId, std::string_view) override {}

  AgentAnswer answer;
  AgentId asked_agent;
  AgentRequest asked;
  std::vector<std::pair<DeliveryId, unsigned>> acknowledged;
};

class DriversTest : public testing::Test {
 protected:
  AttemptResult attempt(const Destination& destination, unsigned tries = 0) {
    if (!drivers_.http) drivers_ = make_drivers(options_, agents_, clock_);
    return attempt_with(drivers_, destination, tries);
  }

  AttemptResult attempt_with(const Drivers& drivers, const Destination& destination, unsigned tries = 0) {
    AttemptJob job;
    job.leased.delivery.id = *DeliveryId::parse("dlv_01jd8x0000e00800000000000g");
    job.leased.delivery.replay_of = replay_of_;
    job.leased.event = std::make_shared<const Event>(event_);
    job.leased.tries = tries;
    job.leased.answered = answered_;
    job.destination = std::make_shared<const Destination>(destination);
    job.source = source_;
    return run_on(loop_, drivers.by_kind().at(destination.kind)->attempt(std::move(job)));
  }

  Destination destination(DestinationKind kind, std::string url) {
    Destination out;
    out.kind = kind;
    out.url = std::move(url);
    out.timeout = 5s;
    return out;
  }

  static DriverOptions loopback_allowed() {
    DriverOptions options;
    options.egress = EgressPolicy({parse_network("127.0.0.0/8").value()});
    return options;
  }

  static std::shared_ptr<const Source> stripe_source() {
    Source source;
    source.name = "payments";
    source.provider = "stripe";
    return std::make_shared<const Source>(std::move(source));
  }

  static Event make_event() {
    Event event;
    event.id = *EventId::parse("evt_01jd8x0000e008000000000000");
    event.type = "invoice.paid";
    event.method = "POST";
    event.target = "/in/default/src?b=%20&a=1";
    event.headers = {{"Host", "relay.example"}, {"X-One", "1"}, {"Content-Length", "999"}, {"x-two", "2"}};
    for (int i = 0; i < 256; ++i) event.body += static_cast<char>(i);
    return event;
  }

  asio::io_context loop_;
  TestServer server_{loop_, "127.0.0.1"};
  ScriptedAgents agents_;
  SystemClock clock_;
  DriverOptions options_ = loopback_allowed();
  Event event_ = make_event();
  std::shared_ptr<const Source> source_ = stripe_source();
  std::optional<DeliveryId> replay_of_;
  unsigned answered_ = 0;
  Drivers drivers_;
};

using HttpDestinationTest = DriversTest;
using AgentDestinationTest = DriversTest;
using SlackDestinationTest = DriversTest;

TEST_F(HttpDestinationTest, TheRequestArrivesAsItCame) {
  Destination hook = destination(DestinationKind::http, server_.url("/hook?key=1"));
  SystemRandom random;
  hook.signing_secret = new_signing_secret(random);
  const AttemptResult result = attempt(hook, 2);
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered) << result.attempt.error_message;
  EXPECT_EQ(result.attempt.number, 3u);
  EXPECT_EQ(result.attempt.response_status, 200);
  EXPECT_GT(result.attempt.total, 0us);
  EXPECT_EQ(result.attempt.url, server_.url("/hook?…"));
  ASSERT_EQ(server_.handler.requests.size(), 1u);
  const http::Request& got = server_.handler.requests[0];
  EXPECT_EQ(got.method, "POST");
  EXPECT_EQ(got.target, "/hook?key=1&b=%20&a=1");
  EXPECT_EQ(got.body, event_.body);
  EXPECT_EQ(*http::find_header(got.headers, "Host"), "127.0.0.1:" + std::to_string(server_.port()));
  EXPECT_EQ(*http::find_header(got.headers, "Content-Length"), "256");
  EXPECT_EQ(*http::find_header(got.headers, "X-One"), "1");
  EXPECT_EQ(*http::find_header(got.headers, "Postern-Attempt"), "3");
  const std::string key = *decode_signing_secret(hook.signing_secret);
  EXPECT_EQ(*http::find_header(got.headers, "webhook-signature"),
            webhook_signature(key, *http::find_header(got.headers, "webhook-id"),
                              *http::find_header(got.headers, "webhook-timestamp"), got.body));
}

TEST_F(HttpDestinationTest, AnswersBecomeOutcomes) {
  Destination hook = destination(DestinationKind::http, server_.url());
  hook.final_statuses = {422};
  int status = 0;
  server_.handler.answer = [&](const http::Request&) {
    return http::Response{status, {{"Retry-After", "90"}, {"Location", "http://127.0.0.1:1/"}}, "why", false};
  };
  for (status = 302; const int next : {404, 410, 422, 503, 0}) {
    const AttemptResult result = attempt(hook);
    EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
    EXPECT_EQ(result.attempt.response_status, status);
    EXPECT_EQ(result.attempt.response_body, "why");
    EXPECT_EQ(result.retry_after, 90s);
    EXPECT_EQ(result.gone, status == 410);
    EXPECT_EQ(result.final, status == 410 || status == 422);
    status = next;
  }
  EXPECT_EQ(server_.handler.requests.size(), 5u);
}

TEST_F(HttpDestinationTest, ALongAnswerIsCut) {
  server_.handler.answer = [](const http::Request&) {
    return http::Response{500, {}, std::string(300'000, 'x'), false};
  };
  const AttemptResult result = attempt(destination(DestinationKind::http, server_.url()));
  EXPECT_EQ(result.attempt.response_body.size(), kMostResponseBytes);
  EXPECT_TRUE(result.attempt.response_truncated);
}

TEST_F(HttpDestinationTest, SilenceIsMaybeSentWithinTheTimeout) {
  server_.handler.delay = 2s;
  Destination hook = destination(DestinationKind::http, server_.url());
  hook.timeout = 150ms;
  const auto began = std::chrono::steady_clock::now();
  const AttemptResult result = attempt(hook);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1500ms);
  EXPECT_EQ(result.attempt.outcome, Outcome::maybe_sent);
  EXPECT_EQ(result.attempt.error_code, "timeout");
  EXPECT_TRUE(result.attempt.counted);
}

TEST_F(HttpDestinationTest, NobodyListeningIsNotSentAndCounts) {
  asio::ip::tcp::acceptor closed(loop_, {asio::ip::make_address("127.0.0.1"), 0});
  const std::string url = "http://127.0.0.1:" + std::to_string(closed.local_endpoint().port()) + "/";
  closed.close();
  const AttemptResult result = attempt(destination(DestinationKind::http, url));
  EXPECT_EQ(result.attempt.outcome, Outcome::not_sent);
  EXPECT_EQ(result.attempt.error_code, "connect_failed");
  EXPECT_TRUE(result.attempt.counted);
  EXPECT_FALSE(result.final);
}

/// Lets the process open no descriptor more for as long as it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = ::dup(0);
    ::close(lowest_free);
    const rlimit now{static_cast<rlim_t>(lowest_free), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(HttpDestinationTest, ARelayOutOfDescriptorsBlamesItself) {
  const Destination hook = destination(DestinationKind::http, server_.url());
  EXPECT_EQ(attempt(hook).attempt.outcome, Outcome::delivered);
  options_.idle_per_origin = 0;
  const Drivers fresh = make_drivers(options_, agents_, clock_);
  const NoDescriptors none;
  const AttemptResult result = attempt_with(fresh, hook);
  EXPECT_EQ(result.attempt.outcome, Outcome::not_sent);
  EXPECT_EQ(result.attempt.error_code, "local_resources") << result.attempt.error_message;
  EXPECT_FALSE(result.attempt.counted);
}

TEST_F(HttpDestinationTest, ARefusedAddressEndsOnTheScheduleAndIsNeverDialled) {
  options_.egress = EgressPolicy();
  for (const std::string& url : {server_.url(), "http://localhost:" + std::to_string(server_.port()) + "/"}) {
    const AttemptResult result = attempt(destination(DestinationKind::http, url));
    EXPECT_EQ(result.attempt.outcome, Outcome::not_sent) << url;
    EXPECT_EQ(result.attempt.error_code, "address_refused") << url;
    EXPECT_TRUE(result.attempt.counted && !result.final) << url;
  }
  EXPECT_TRUE(server_.handler.requests.empty());
}

TEST_F(HttpDestinationTest, SettingsThatCannotWorkAreFinal) {
  EXPECT_EQ(attempt(destination(DestinationKind::http, "nonsense")).attempt.error_code, "invalid_url");
  Destination hook = destination(DestinationKind::http, server_.url());
  hook.signing_secret = "whsec_nonsense";
  const AttemptResult result = attempt(hook);
  EXPECT_EQ(result.attempt.error_code, "invalid_signing_secret");
  EXPECT_TRUE(result.final);
  EXPECT_TRUE(server_.handler.requests.empty());
}

TEST_F(HttpDestinationTest, AGetWithoutABodyHasNone) {
  event_.method = "GET";
  event_.body.clear();
  EXPECT_EQ(attempt(destination(DestinationKind::http, server_.url())).attempt.outcome, Outcome::delivered);
  ASSERT_EQ(server_.handler.requests.size(), 1u);
  EXPECT_EQ(server_.handler.requests[0].method, "GET");
  EXPECT_EQ(http::find_header(server_.handler.requests[0].headers, "Content-Length"), nullptr);
}

TEST_F(AgentDestinationTest, TheAgentGetsTheSameRequest) {
  Destination app = destination(DestinationKind::agent, "http://localhost:8000/base");
  app.agent_id = AgentId::parse("agt_01jd8x0000e008000000000001");
  replay_of_ = DeliveryId::parse("dlv_01jd8x0000e008000000000001");
  agents_.answer.outcome = Outcome::delivered;
  agents_.answer.status = 201;
  agents_.answer.body = "done";
  const AttemptResult result = attempt(app, 1);
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered);
  EXPECT_EQ(result.attempt.response_body, "done");
  EXPECT_EQ(result.attempt.url, "http://localhost:8000/base");
  EXPECT_EQ(agents_.asked_agent, *app.agent_id);
  EXPECT_EQ(agents_.asked.host, "localhost");
  EXPECT_EQ(agents_.asked.port, 8000);
  EXPECT_EQ(agents_.asked.target, "/base?b=%20&a=1");
  EXPECT_EQ(agents_.asked.attempt, 2u);
  EXPECT_EQ(agents_.asked.answered, 0U);
  EXPECT_EQ(agents_.asked.deadline, 5s);
  EXPECT_EQ(*agents_.asked.body, event_.body);
  EXPECT_EQ(http::find_header(agents_.asked.headers, "Host"), nullptr);
}

TEST_F(AgentDestinationTest, WhatTheAgentToldIsAcknowledgedOnceItIsCommitted) {
  Destination app = destination(DestinationKind::agent, "http://localhost:8000/");
  app.agent_id = AgentId::parse("agt_01jd8x0000e008000000000001");
  agents_.answer.outcome = Outcome::rejected;
  agents_.answer.status = 500;
  agents_.answer.kept = true;
  answered_ = 2;
  const AttemptResult result = attempt(app, 3);
  EXPECT_EQ(agents_.asked.answered, 2U);
  EXPECT_TRUE(agents_.acknowledged.empty());
  ASSERT_TRUE(result.committed);
  result.committed();
  ASSERT_EQ(agents_.acknowledged.size(), 1U);
  EXPECT_EQ(agents_.acknowledged[0].second, 4U);
  agents_.answer = {};
  agents_.answer.outcome = Outcome::maybe_sent;
  agents_.answer.error_code = "timeout";
  EXPECT_FALSE(attempt(app).committed) << "the relay's own time-out: the agent may know better";
}

TEST_F(AgentDestinationTest, AnAgentThatWillKnowIsWaitedForAndItCostsNoAttempt) {
  Destination app = destination(DestinationKind::agent, "http://localhost:8000/");
  app.agent_id = AgentId::parse("agt_01jd8x0000e008000000000001");
  agents_.answer.outcome = Outcome::maybe_sent;
  agents_.answer.error_code = "connection_lost";
  agents_.answer.resumes = true;
  const AttemptResult result = attempt(app);
  EXPECT_TRUE(result.wait_for_agent);
  EXPECT_FALSE(result.attempt.counted);
  EXPECT_FALSE(result.committed);
  EXPECT_EQ(result.attempt.outcome, Outcome::maybe_sent);
  const AttemptResult often = attempt(app, 5);
  EXPECT_FALSE(often.wait_for_agent);
  EXPECT_TRUE(often.attempt.counted) << "one that breaks its session over and over uses up its schedule";
}

TEST_F(AgentDestinationTest, AnAwayAgentIsWaitedFor) {
  Destination app = destination(DestinationKind::agent, "http://localhost:8000/");
  app.agent_id = AgentId::parse("agt_01jd8x0000e008000000000001");
  agents_.answer.error_code = "agent_away";
  const AttemptResult result = attempt(app);
  EXPECT_TRUE(result.wait_for_agent);
  EXPECT_FALSE(result.attempt.counted);
}

TEST_F(AgentDestinationTest, NoAgentIsFinal) {
  const AttemptResult result = attempt(destination(DestinationKind::agent, "http://localhost:8000/"));
  EXPECT_TRUE(result.final);
  EXPECT_EQ(result.attempt.error_code, "no_agent");
}

/// A Slack destination whose messages go to the test's server.
class SlackStandIn : public DriversTest {
 protected:
  SlackStandIn() {
    options_.egress = EgressPolicy();
    options_.slack_stand_in = parse_slack_base(server_.url("")).value();
    options_.event_link_base = "https://relay.example";
    event_.body = R"({"data":{"object":{"object":"invoice","amount_paid":4200,"currency":"eur"}}})";
    answer_with(200, "ok");
  }
  void answer_with(int status, std::string body, http::Headers headers = {}) {
    server_.handler.answer = [=](const http::Request&) {
      return http::Response{status, headers, body, false};
    };
  }
  AttemptResult post(std::string hook = "T/B/s3cret") {
    return attempt(destination(DestinationKind::slack, "https://hooks.slack.com/services/" + hook));
  }
};

TEST_F(SlackStandIn, AMessageIsPosted) {
  const AttemptResult result = post();
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered) << result.attempt.error_message;
  EXPECT_EQ(result.attempt.url.find("s3cret"), std::string::npos);
  ASSERT_EQ(server_.handler.requests.size(), 1u);
  const http::Request& got = server_.handler.requests[0];
  EXPECT_EQ(got.target, "/services/T/B/s3cret");
  EXPECT_EQ(*http::find_header(got.headers, "Content-Type"), "application/json; charset=utf-8");
  const boost::json::value message = boost::json::parse(got.body);
  EXPECT_EQ(message.at_pointer("/blocks/0/text/text").as_string(), "invoice.paid \xc2\xb7 42.00 EUR");
}

TEST_F(SlackStandIn, WordsThatMeanNeverAreFinal) {
  answer_with(404, "no_service");
  const AttemptResult result = post();
  EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
  EXPECT_TRUE(result.final);
  EXPECT_EQ(result.attempt.error_code, "no_service");
  answer_with(500, "rollup_error");
  EXPECT_FALSE(post("T/B/other").final);
}

TEST_F(SlackStandIn, SomebodyElsesPageIsNoSuccess) {
  answer_with(200, "<html>sign in</html>");
  const AttemptResult result = post();
  EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
  EXPECT_EQ(result.attempt.error_code, "unexpected_answer");
  EXPECT_FALSE(result.final);
}

TEST_F(SlackStandIn, A429StopsTheUrlAndNoOther) {
  answer_with(429, "rate_limited", {{"Retry-After", "30"}});
  const AttemptResult first = post();
  EXPECT_EQ(first.retry_after, 30s);
  EXPECT_FALSE(first.final);
  answer_with(200, "ok");
  const AttemptResult held = post();
  EXPECT_EQ(held.attempt.outcome, Outcome::not_sent);
  EXPECT_EQ(held.attempt.error_code, "paced");
  EXPECT_FALSE(held.attempt.counted);
  EXPECT_GT(held.retry_after, 20s);
  EXPECT_EQ(post("T/B/other").attempt.outcome, Outcome::delivered);
  EXPECT_EQ(server_.handler.requests.size(), 2u);
}

TEST_F(SlackStandIn, ThePaceIsKeptOverTheDriversOfAllLoops) {
  options_.slack_pacer = std::make_shared<SlackPacer>(200ms);
  const Drivers loops[] = {make_drivers(options_, agents_, clock_), make_drivers(options_, agents_, clock_)};
  std::vector<std::chrono::steady_clock::time_point> arrivals;
  server_.handler.answer = [&](const http::Request&) {
    arrivals.push_back(std::chrono::steady_clock::now());
    return http::Response{200, {}, "ok", false};
  };
  const Destination slack = destination(DestinationKind::slack, "https://hooks.slack.com/services/T/B/x");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(attempt_with(loops[i % 2], slack).attempt.outcome, Outcome::delivered);
  ASSERT_EQ(arrivals.size(), 3u);
  EXPECT_GE(arrivals[1] - arrivals[0], 180ms);
  EXPECT_GE(arrivals[2] - arrivals[1], 180ms);
}

TEST_F(SlackStandIn, ABaseWithAPathIsRefused) {
  EXPECT_FALSE(parse_slack_base("http://127.0.0.1:9000/proxy"));
  EXPECT_FALSE(parse_slack_base("nonsense"));
  EXPECT_EQ(parse_slack_base("http://127.0.0.1:9000")->port, 9000);
}

}  // namespace
}  // namespace postern::relay
