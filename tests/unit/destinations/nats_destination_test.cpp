// The driver against a real nats-server with JetStream.
#include "relay/destinations/nats_destination.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <thread>

#include "base/bytes.hpp"
#include "tests/support/nats_server.hpp"
#include "tests/unit/destinations/loop_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

class NatsDestinationTest : public testing::Test {
 protected:
  NatsDestinationTest() {
    NatsOptions options;
    options.servers = {server_.url()};
    options.reconnect_most = 50ms;
    client_ = std::make_shared<NatsClient>(std::move(options), metrics_);
    wait([&] { return client_->connected(); });
    destination_.kind = DestinationKind::nats;
    destination_.workspace_id = *WorkspaceId::parse("wsp_01jd8x0000e00800000000000g");
    destination_.timeout = 10s;
    source_.name = "shop";
    source_.provider = "stripe";
    event_.id = *EventId::parse("evt_01jd8x0000e00800000000000g");
    event_.type = "invoice.paid";
    event_.body = R"({"id":"evt_1"})";
  }

  template <class Condition>
  static void wait(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(1ms);
    }
  }

  AttemptResult attempt(std::string_view delivery = "dlv_01jd8x0000e00800000000000g") {
    AttemptJob job;
    job.leased.delivery.id = *DeliveryId::parse(delivery);
    job.leased.event = std::make_shared<const Event>(event_);
    job.destination = std::make_shared<const Destination>(destination_);
    job.source = std::make_shared<const Source>(source_);
    NatsDestination driver({client_, "postern", [](WorkspaceId) { return "acme"; }}, clock_);
    return run_on(loop_, driver.attempt(std::move(job)));
  }

  json::value api(const std::string& subject, const std::string& body) {
    const NatsAnswer answer = run_on(loop_, client_->request({"$JS.API." + subject, {}, body}, 10s));
    return json::parse(answer.data);
  }
  void make_stream(const std::string& more = "") {
    const json::value made =
        api("STREAM.CREATE.EVENTS", R"({"name":"EVENTS","subjects":["postern.>"],"storage":"file",)"
                                    R"("retention":"limits")" +
                                        more + "}");
    ASSERT_FALSE(made.as_object().contains("error")) << json::serialize(made);
  }
  json::value stored(int sequence) {
    return api("STREAM.MSG.GET.EVENTS", fmt::format(R"({{"seq":{}}})", sequence)).at("message");
  }
  std::int64_t messages() {
    return api("STREAM.INFO.EVENTS", "").at_pointer("/state/messages").to_number<std::int64_t>();
  }

  test::NatsServer server_;
  prometheus::Registry metrics_;
  SystemClock clock_;
  boost::asio::io_context loop_{1};
  std::shared_ptr<NatsClient> client_;
  Destination destination_;
  Source source_;
  Event event_;
};

TEST_F(NatsDestinationTest, PublishesTheEnvelopeAndIsAcknowledged) {
  make_stream();
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered) << result.attempt.error_message;
  EXPECT_EQ(*http::find_header(result.attempt.response_headers, "Nats-Stream"), "EVENTS");
  EXPECT_EQ(*http::find_header(result.attempt.response_headers, "Nats-Sequence"), "1");
  EXPECT_EQ(result.attempt.url, "nats:postern.acme.shop.invoice.paid");
  EXPECT_GT(result.attempt.total, 0s);
  const json::value message = stored(1);
  EXPECT_EQ(message.at("subject").as_string(), "postern.acme.shop.invoice.paid");
  const std::string headers = *base64_decode(message.at("hdrs").as_string());
  EXPECT_NE(headers.find("Nats-Msg-Id: dlv_01jd8x0000e00800000000000g\r\n"), std::string::npos) << headers;
  EXPECT_NE(headers.find("Postern-Type: invoice.paid\r\n"), std::string::npos) << headers;
  const json::value envelope = json::parse(*base64_decode(message.at("data").as_string()));
  EXPECT_EQ(envelope.at_pointer("/payload/id").as_string(), "evt_1");
}

TEST_F(NatsDestinationTest, ARetryIsTheSameMessageAndAReplayIsAnother) {
  make_stream();
  attempt();
  const AttemptResult again = attempt();
  EXPECT_EQ(again.attempt.outcome, Outcome::delivered);
  EXPECT_EQ(*http::find_header(again.attempt.response_headers, "Nats-Duplicate"), "true");
  EXPECT_EQ(messages(), 1);
  const AttemptResult replay = attempt("dlv_01jd8x0000e00800000000001g");
  EXPECT_EQ(http::find_header(replay.attempt.response_headers, "Nats-Duplicate"), nullptr);
  EXPECT_EQ(messages(), 2);
}

TEST_F(NatsDestinationTest, WithoutAStreamItIsRejectedWithTheWayOut) {
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
  EXPECT_EQ(result.attempt.error_code, "no_stream");
  EXPECT_NE(result.attempt.error_message.find("postern.acme.shop.invoice.paid"), std::string::npos);
}

TEST_F(NatsDestinationTest, AFullStreamRefuses) {
  make_stream(R"(,"max_msgs":1,"discard":"new")");
  attempt();
  const AttemptResult result = attempt("dlv_01jd8x0000e00800000000001g");
  EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
  EXPECT_EQ(result.attempt.error_code, "jetstream_refused");
  EXPECT_FALSE(result.final);
}

TEST_F(NatsDestinationTest, LargerThanTheStreamTakesIsFinal) {
  make_stream(R"(,"max_msg_size":1000)");
  event_.body = "\"" + std::string(5000, 'x') + "\"";
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.error_code, "jetstream_refused") << result.attempt.response_body;
  EXPECT_TRUE(result.final);
}

TEST_F(NatsDestinationTest, LargerThanTheServerTakesIsFinalAndTheConnectionStays) {
  make_stream();
  event_.body = std::string(900'000, '\xff');  // base64 makes it 1.2 million
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.error_code, "nats_too_large");
  EXPECT_TRUE(result.final);
  event_.body = std::string(3'000'000, 'x');
  EXPECT_EQ(attempt().attempt.error_code, "nats_too_large");
  event_.body = "\"" + std::string(1'040'000, 'x') + "\"";
  EXPECT_EQ(attempt().attempt.outcome, Outcome::delivered);
}

TEST_F(NatsDestinationTest, AwayBurnsNothing) {
  server_.kill();
  wait([&] { return !client_->connected(); });
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.outcome, Outcome::not_sent);
  EXPECT_EQ(result.attempt.error_code, "nats_away");
  EXPECT_FALSE(result.attempt.counted);
  EXPECT_FALSE(result.final);
}

TEST_F(NatsDestinationTest, WithoutNatsInTheSettingsItWaitsAndSaysWhy) {
  client_.reset();
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.error_code, "nats_not_configured");
  EXPECT_NE(result.attempt.error_message.find("nats.url"), std::string::npos);
  EXPECT_FALSE(result.attempt.counted);
  EXPECT_GE(result.retry_after.value_or(0s), 30s);
}

TEST_F(NatsDestinationTest, WhatTheMapWithholdsIsNotPublished) {
  make_stream();
  source_.provider = "shopify";
  event_.type = "customers/redact";
  const AttemptResult compliance = attempt();
  EXPECT_EQ(compliance.attempt.error_code, "compliance_topic_not_published");
  EXPECT_EQ(compliance.attempt.outcome, Outcome::not_sent);
  EXPECT_FALSE(compliance.attempt.counted);
  EXPECT_TRUE(compliance.withheld);
  destination_.event_map = R"({"shopify:orders/create":null})";
  event_.type = "orders/create";
  EXPECT_EQ(attempt().attempt.error_code, "not_published_by_event_map");
  EXPECT_EQ(messages(), 0);
}

TEST_F(NatsDestinationTest, OwnSubjectsAndOwnNames) {
  make_stream();
  destination_.subject = "postern.{workspace}.evt.{domain}";
  destination_.event_map = R"({"stripe:invoice.paid":"billing.paid"})";
  EXPECT_EQ(attempt().attempt.url, "nats:postern.acme.evt.billing.paid");
  destination_.subject = "another.{workspace}.{type}";  // stored under another prefix
  const AttemptResult result = attempt();
  EXPECT_EQ(result.attempt.error_code, "invalid_subject");
  EXPECT_TRUE(result.final);
}

}  // namespace
}  // namespace postern::relay
