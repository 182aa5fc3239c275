#include "relay/providers/order_rule.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

Event event_with(std::string body, http::Headers headers = {}) {
  Event event;
  event.body = std::move(body);
  event.headers = std::move(headers);
  return event;
}

OrderKey key_at(std::string_view rule, const Event& event) {
  const auto parsed = OrderRule::parse(rule);
  EXPECT_TRUE(parsed) << rule;
  return parsed ? parsed->key_of(event) : -1;
}

TEST(OrderRuleTest, AValueInTheBodyIsTheKey) {
  const auto key = [](std::string body) { return key_at("/customer/id", event_with(std::move(body))); };
  const OrderKey first = key(R"({"customer":{"id":"cus_1"}})");
  EXPECT_GE(first, kLeastValueKey);
  EXPECT_EQ(key(R"({"other":1,"customer":{"name":"x","id":"cus_1"}})"), first);
  EXPECT_NE(key(R"({"customer":{"id":"cus_2"}})"), first);
  EXPECT_EQ(key(R"({"customer":{"id":17}})"), key(R"({"customer":{"id":"17"}})"));
}

TEST(OrderRuleTest, WithoutAValueThereIsNoOrder) {
  for (const auto* body :
       {"{}", "", "no JSON", R"({"customer":{}})", R"({"customer":{"id":""}})", R"({"customer":{"id":null}})",
        R"({"customer":{"id":{"x":1}}})", R"({"customer":[1]})"})
    EXPECT_EQ(key_at("/customer/id", event_with(body)), kNoOrder) << body;
}

TEST(OrderRuleTest, PointersAreEscapedAndGoIntoArrays) {
  EXPECT_NE(key_at("/a~1b/0", event_with(R"({"a/b":["x"]})")), kNoOrder);
}

TEST(OrderRuleTest, TheFirstHeaderOfThatNameIsTheKey) {
  const http::Headers headers = {{"x-customer", "one"}, {"X-Customer", "two"}, {"X-Empty", ""}};
  const OrderKey key = key_at("header:X-Customer", event_with("{}", headers));
  EXPECT_NE(key, kNoOrder);
  EXPECT_EQ(key, key_at("header:X-CUSTOMER", event_with("", {{"X-Customer", "one"}})));
  EXPECT_EQ(key_at("header:X-Other", event_with("{}", headers)), kNoOrder);
  EXPECT_EQ(key_at("header:X-Empty", event_with("{}", headers)), kNoOrder);
}

// It is stored with deliveries: another number for the same value would let one pass another after an
// upgrade.
TEST(OrderRuleTest, TheNumberOfAValueNeverChanges) {
  EXPECT_EQ(key_at("/id", event_with(R"({"id":"abc"})")), 0xba7816bf8f01cfea >> 1);
}

TEST(OrderRuleTest, WhatCannotBeReadIsRefused) {
  for (const auto* text : {"", "customer", "/a~2", "header:", "header:X Y", "Header:X"}) {
    const auto rule = OrderRule::parse(text);
    ASSERT_FALSE(rule) << text;
    EXPECT_EQ(rule.error().code, "malformed_key");
  }
}

TEST(OrderRuleTest, ADestinationSaysWhichKind) {
  Destination destination;
  const Event event = event_with(R"({"id":"abc"})");
  EXPECT_EQ(OrderRule::of(destination).key_of(event), kNoOrder);
  destination.ordering = Ordering::destination;
  EXPECT_EQ(OrderRule::of(destination).key_of(event), kWholeDestination);
  destination.ordering = Ordering::key;
  destination.ordering_key = "/id";
  EXPECT_GE(OrderRule::of(destination).key_of(event), kLeastValueKey);
}

}  // namespace
}  // namespace postern::relay
