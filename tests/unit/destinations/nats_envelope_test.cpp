#include "relay/destinations/nats_envelope.hpp"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

class NatsEnvelope : public testing::Test {
 protected:
  NatsEnvelope() {
    event_.id = *EventId::parse("evt_01jd8x0000e00800000000000g");
    event_.type = "invoice.paid";
    event_.dedupe_key = "evt_stripe_1";
    event_.verified = true;
    event_.received_at = from_micros(1'700'000'000'000'000);
    event_.headers = {{"Content-Type", "application/json"}};
    event_.body = R"({"id":"evt_1","created":1699999999,"amount":12345678901234567890.10})";
    source_.name = "shop";
    source_.provider = "stripe";
    delivery_.id = *DeliveryId::parse("dlv_01jd8x0000e00800000000000g");
  }

  EnvelopeInput input() const { return {event_, deleted_ ? nullptr : &source_, delivery_, "acme", domain_}; }
  std::string text() const { return nats_envelope(input()); }
  json::object object() const { return json::parse(text()).as_object(); }
  std::string header(std::string_view name) const {
    const auto headers = nats_headers(input());
    const std::string* value = http::find_header(headers, name);
    return value == nullptr ? "(none)" : *value;
  }

  Event event_;
  Source source_;
  Delivery delivery_;
  std::string domain_ = "billing.paid";
  bool deleted_ = false;
};

TEST_F(NatsEnvelope, SaysWhatItIs) {
  const json::value expected = json::parse(R"({"version":1,"event_id":"evt_01jd8x0000e00800000000000g",
      "correlation_id":"evt_01jd8x0000e00800000000000g","dedupe_id":"evt_stripe_1",
      "delivery_id":"dlv_01jd8x0000e00800000000000g","replay_of":null,"workspace":"acme","source":"shop",
      "provider":"stripe","type":"invoice.paid","domain_type":"billing.paid","verified":true,
      "received_at":"2023-11-14T22:13:20.000Z","occurred_at":"2023-11-14T22:13:19.000Z",
      "content_type":"application/json","payload_encoding":"json"})");
  json::object found = object();
  EXPECT_EQ(found.at("payload").at("id").as_string(), "evt_1");
  found.erase("payload");
  EXPECT_EQ(json::value(found), expected) << json::serialize(found);
}

TEST_F(NatsEnvelope, JsonIsSetInByteForByte) {
  event_.body = "  {\"price\": 0.10000000000000000001, \"big\":123456789012345678901234567890}\n";
  EXPECT_TRUE(text().ends_with(",\"payload\":" + event_.body + "}"));
}

TEST_F(NatsEnvelope, WhatIsNoJsonIsBase64) {
  for (const std::string& body : {std::string("payload=%7B%7D"), std::string("\xff\x00{}", 4), std::string(),
                                  std::string("{\"a\":1}{\"b\":2}"), std::string("{\"a\":\"\xff\"}"),
                                  std::string(65, '[') + std::string(65, ']')}) {
    event_.body = body;
    EXPECT_EQ(object().at("payload_encoding").as_string(), "base64");
    EXPECT_EQ(object().at("payload").as_string(), base64_encode(body));
    EXPECT_TRUE(object().at("occurred_at").is_null());
  }
}

TEST_F(NatsEnvelope, WhatIsNotKnownIsNull) {
  deleted_ = true;
  domain_ = "";
  event_.type = "";
  event_.headers = {};
  for (const char* name : {"source", "provider", "type", "domain_type", "content_type", "occurred_at"})
    EXPECT_TRUE(object().at(name).is_null()) << name;
  EXPECT_EQ(header("Postern-Type"), "(none)");
  EXPECT_EQ(header("Postern-Source"), "(none)");
}

TEST_F(NatsEnvelope, ShopifySaysWhenInAHeader) {
  source_.provider = "shopify";
  event_.headers = {{"X-Shopify-Triggered-At", "2023-11-14T22:13:18.5Z"}};
  EXPECT_EQ(object().at("occurred_at").as_string(), "2023-11-14T22:13:18.500Z");
  event_.headers = {{"X-Shopify-Triggered-At", "yesterday"}};
  EXPECT_TRUE(object().at("occurred_at").is_null());
}

TEST_F(NatsEnvelope, AReplaySaysOfWhat) {
  delivery_.replay_of = *DeliveryId::parse("dlv_01jd8x0000e00800000000001g");
  EXPECT_EQ(object().at("replay_of").as_string(), "dlv_01jd8x0000e00800000000001g");
}

TEST_F(NatsEnvelope, TheMessageIdIsTheDeliverys) {
  EXPECT_EQ(header("Nats-Msg-Id"), "dlv_01jd8x0000e00800000000000g");
  EXPECT_EQ(header("Postern-Event-Id"), "evt_01jd8x0000e00800000000000g");
  EXPECT_EQ(header("Postern-Correlation-Id"), "evt_01jd8x0000e00800000000000g");
  EXPECT_EQ(header("Postern-Workspace"), "acme");
  EXPECT_EQ(header("Postern-Provider"), "stripe");
  EXPECT_EQ(header("Postern-Domain-Type"), "billing.paid");
}

TEST_F(NatsEnvelope, NoValueCanAddAHeader) {
  event_.type = "a\r\nNats-Expected-Stream: x\xc3\xa4";
  EXPECT_EQ(header("Postern-Type"), "a??Nats-Expected-Stream: x??");
}

TEST_F(NatsEnvelope, ATraceIsPassedOnWhenItIsOne) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  event_.headers = {{"traceparent", trace}};
  EXPECT_EQ(header("traceparent"), trace);
  event_.headers = {{"traceparent", "00-0-0-01"}};
  EXPECT_EQ(header("traceparent"), "(none)");
  event_.headers = {{"traceparent", trace}, {"traceparent", trace}};
  EXPECT_EQ(header("traceparent"), "(none)");
}

}  // namespace
}  // namespace postern::relay
