#include "relay/notify/domain_event.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

DomainEvent of(std::string_view provider, std::string_view type, std::string_view own = "") {
  return domain_event(provider, type, EventMap::parse(own).value());
}

std::string refusal(std::string_view json) {
  const auto map = EventMap::parse(json);
  return map ? "" : map.error().message;
}

// Written out once more, so that a row changed by mistake is seen.
TEST(DomainMap, EveryRow) {
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"shopify", "app/uninstalled", "app.uninstalled"},
      {"shopify", "app_subscriptions/update", "app.subscription_updated"},
      {"shopify", "app_purchases_one_time/update", "app.purchase_updated"},
      {"shopify", "products/create", "catalog.item_created"},
      {"shopify", "products/update", "catalog.item_updated"},
      {"shopify", "products/delete", "catalog.item_deleted"},
      {"shopify", "orders/create", "order.created"},
      {"shopify", "orders/updated", "order.updated"},
      {"shopify", "orders/fulfilled", "order.fulfilled"},
      {"shopify", "orders/cancelled", "order.cancelled"},
      {"shopify", "inventory_levels/update", "inventory.updated"},
      {"shopify", "inventory_items/update", "inventory.item_updated"},
      {"stripe", "payment_intent.succeeded", "payment.succeeded"},
      {"stripe", "payment_intent.payment_failed", "payment.failed"},
      {"stripe", "payment_intent.failed", "payment.failed"},
      {"stripe", "customer.subscription.created", "subscription.created"},
      {"stripe", "customer.subscription.updated", "subscription.updated"},
      {"stripe", "customer.subscription.deleted", "subscription.cancelled"},
      {"stripe", "customer.created", "customer.created"},
      {"stripe", "customer.updated", "customer.updated"},
  };
  for (const auto& [provider, type, name] : rows) {
    EXPECT_TRUE(of(provider, type).publish) << type;
    EXPECT_EQ(of(provider, type).name, name) << type;
  }
  EXPECT_EQ(default_domain_map().size(), std::size(rows) + 3) << "three compliance topics";
}

TEST(DomainMap, ComplianceTopicsAreNotPublished) {
  for (const char* type : {"customers/data_request", "customers/redact", "shop/redact"}) {
    EXPECT_FALSE(of("shopify", type).publish) << type;
    EXPECT_EQ(of("shopify", type).withheld, "compliance_topic_not_published");
    EXPECT_FALSE(of("", type).publish) << "its source has been deleted";
    EXPECT_TRUE(of("github", type).publish) << "another provider's word";
  }
}

TEST(DomainMap, WhatItDoesNotKnowIsPublishedWithoutAName) {
  EXPECT_TRUE(of("github", "push").publish);
  EXPECT_EQ(of("github", "push").name, "");
  EXPECT_EQ(of("shopify", "customer.created").name, "") << "Stripe's word from Shopify";
  EXPECT_EQ(of("", "orders/create").name, "") << "nobody knows whose word it is";
}

TEST(DomainMap, TheDestinationsOwnWordsWin) {
  const std::string_view own =
      R"({"stripe:invoice.paid":"billing.paid","stripe:customer.created":null,"shopify:shop/redact":"privacy.redact"})";
  EXPECT_EQ(of("stripe", "invoice.paid", own).name, "billing.paid");
  EXPECT_FALSE(of("stripe", "customer.created", own).publish);
  EXPECT_EQ(of("stripe", "customer.created", own).withheld, "not_published_by_event_map");
  EXPECT_EQ(of("shopify", "shop/redact", own).name, "privacy.redact");
  EXPECT_EQ(of("stripe", "customer.updated", own).name, "customer.updated");
}

TEST(EventMap, WhatIsWrongIsNamed) {
  EXPECT_EQ(refusal("{}"), "");
  EXPECT_EQ(refusal("[]"), "must be a JSON object");
  EXPECT_EQ(refusal("{"), "must be a JSON object");
  EXPECT_NE(refusal(R"({"invoice.paid":"x"})").find("\"stripe:invoice.paid\""), std::string::npos);
  EXPECT_NE(refusal(R"({"stripe:":"x"})").find("a colon and a topic"), std::string::npos);
  EXPECT_NE(refusal(R"({"strip:invoice.paid":"x"})").find("shopify"), std::string::npos);
  for (const char* name :
       {R"("")", R"("a b")", R"("a..b")", R"(".a")", R"("a.")", R"("a.*")", R"("a.>")", "1", "{}"})
    EXPECT_NE(refusal(fmt::format(R"({{"stripe:invoice.paid":{}}})", name)).find("order.created"),
              std::string::npos)
        << name;
  EXPECT_NE(refusal(fmt::format(R"({{"stripe:a":"{}"}})", std::string(129, 'x'))), "");
  EXPECT_NE(refusal(fmt::format(R"({{"stripe:{}":"x"}})", std::string(161, 'x'))), "");
  std::string many = "{";
  for (int i = 0; i < 257; ++i) many += fmt::format(R"({}"stripe:t{}":"x")", i == 0 ? "" : ",", i);
  EXPECT_NE(refusal(many + "}").find("256"), std::string::npos);
}

TEST(CorrelationId, TheSendersWhenItHasOneElseTheEvents) {
  Event event;
  event.id = *EventId::parse("evt_01jd8x0000e00800000000000g");
  EXPECT_EQ(correlation_id(event), "evt_01jd8x0000e00800000000000g");
  event.headers = {{"x-correlation-id", "order-4711"}};
  EXPECT_EQ(correlation_id(event), "order-4711");
  for (const std::string& bad : {std::string(), std::string("two words"), std::string(129, 'x'),
                                 std::string("b\xc3\xa4h"), std::string("a\r\nb")}) {
    event.headers = {{"X-Correlation-ID", bad}};
    EXPECT_EQ(correlation_id(event), event.id.to_string()) << bad;
  }
}

}  // namespace
}  // namespace postern::relay
