#include "relay/providers/identity.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "relay/providers/form_field.hpp"
#include "relay/providers/provider.hpp"

namespace postern::relay {
namespace {

Identity identify(std::string_view provider, const http::Headers& headers, std::string_view body,
                  std::string_view topic = "") {
  return IdentityReader(*find_provider(provider)->scheme).read(headers, body, topic);
}

TEST(Identity, OfEveryProvider) {
  const auto stripe =
      identify("stripe", {}, R"({"id":"evt_1","object":"event","data":{"id":"in_1"},"type":"invoice.paid"})");
  EXPECT_EQ(stripe.dedupe_key, "evt_1");
  EXPECT_EQ(stripe.type, "invoice.paid");

  const auto github =
      identify("github", {{"x-github-delivery", "g-1"}, {"x-github-event", "push"}}, R"({"id":"no"})");
  EXPECT_EQ(github.dedupe_key, "g-1");
  EXPECT_EQ(github.type, "push");

  const auto shopify = identify(
      "shopify", {{"X-Shopify-Topic", "orders/create"}, {"X-Shopify-Webhook-Id", "w-1"}}, "{}", "ignored");
  EXPECT_EQ(shopify.dedupe_key, "w-1");
  EXPECT_EQ(shopify.type, "orders/create");

  const auto slack =
      identify("slack", {}, R"({"type":"event_callback","event":{"type":"app_mention"},"event_id":"Ev1"})");
  EXPECT_EQ(slack.dedupe_key, "Ev1");
  EXPECT_EQ(slack.type, "app_mention");
  EXPECT_EQ(identify("slack", {}, R"({"type":"app_rate_limited"})").type, "app_rate_limited");

  const auto chargify = identify("chargify", {}, "id=77&event=payment_success&payload%5Bid%5D=8");
  EXPECT_EQ(chargify.dedupe_key, "77");
  EXPECT_EQ(chargify.type, "payment_success");
  EXPECT_EQ(identify("chargify", {{"X-Chargify-Webhook-Id", "9"}}, "id=77").dedupe_key, "9");

  const auto standard = identify("standard-webhooks", {{"webhook-id", "msg_1"}}, R"({"type":"a.b"})");
  EXPECT_EQ(standard.dedupe_key, "msg_1");
  EXPECT_EQ(standard.type, "a.b");
}

TEST(Identity, TopicStandsInForAMissingType) {
  EXPECT_EQ(identify("shopify", {}, "{}", "orders/create").type, "orders/create");
  EXPECT_EQ(identify("stripe", {}, "not json", "stripe/things").type, "stripe/things");
  EXPECT_EQ(identify("stripe", {}, "not json", "").type, "");
}

TEST(Identity, WithoutAnIdTheContentIsTheKey) {
  const auto key = [](std::string_view body, std::string_view topic) {
    return identify("stripe", {}, body, topic).dedupe_key;
  };
  EXPECT_EQ(key("x", "a"), key("x", "a"));
  EXPECT_NE(key("x", "a"), key("x", "b"));
  EXPECT_NE(key("x", "a"), key("y", "a"));
  EXPECT_EQ(key("x", "a"), "sha256:" + hex_encode(sha256(std::string("a\0", 2) + sha256("x"))));
}

TEST(Identity, KeepsOddIdsBoundedAndPrintable) {
  const auto key = [](const std::string& id) {
    return identify("github", {{"X-GitHub-Delivery", id}}, "{}").dedupe_key;
  };
  EXPECT_EQ(key(std::string(128, 'x')), std::string(128, 'x'));
  EXPECT_EQ(key(std::string(129, 'x')), "sha256:" + hex_encode(sha256(std::string(129, 'x'))));
  EXPECT_EQ(key("a\x01"), "sha256:" + hex_encode(sha256("a\x01")));
  EXPECT_EQ(key("\xff"), "sha256:" + hex_encode(sha256("\xff")));
  EXPECT_EQ(key("sha256:00"), "sha256:" + hex_encode(sha256("sha256:00")))
      << "nobody can claim a digest's key";
}

TEST(Identity, DropsUnusableTypes) {
  for (const std::string& type : {std::string(129, 'x'), std::string("a\nb"), std::string("\xc3")}) {
    EXPECT_EQ(identify("github", {{"X-GitHub-Event", type}}, "{}", "topic").type, "topic");
    EXPECT_EQ(identify("github", {}, "{}", type).type, "");
  }
}

TEST(Identity, ARepeatedIdHeaderIsNoId) {
  const http::Headers headers = {{"X-GitHub-Delivery", "a"}, {"x-github-delivery", "b"}};
  EXPECT_TRUE(identify("github", headers, "{}").dedupe_key.starts_with("sha256:"));
}

TEST(Identity, OtherHeadersNeverMatter) {
  const std::string body = R"({"id":"evt_1"})";
  EXPECT_EQ(identify("stripe", {{"X-Request-Id", "1"}, {"webhook-id", "2"}}, body).dedupe_key, "evt_1");
  EXPECT_EQ(identify("stripe", {{"X-Request-Id", "1"}}, "").dedupe_key,
            identify("stripe", {}, "").dedupe_key);
}

TEST(FormField, TakesTheFirstAndDecodesIt) {
  EXPECT_EQ(form_field("a=1&event=a+b%2Fc&event=2", "event"), "a b/c");
  EXPECT_EQ(form_field("event", "event"), "");
  EXPECT_EQ(form_field("xevent=1&&=&event=2", "event"), "2");
  EXPECT_FALSE(form_field("event=%zz", "event"));
  EXPECT_FALSE(form_field("", "event"));
}

}  // namespace
}  // namespace postern::relay
