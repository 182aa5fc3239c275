#include "relay/notify/facts.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

Facts facts_of(std::string_view provider, std::string type, std::string body) {
  Event event;
  event.type = std::move(type);
  event.body = std::move(body);
  return extract_facts(provider, event);
}

std::string amount(const Facts& facts) {
  return facts.amount ? format_money(*facts.amount) : "none";
}

TEST(StripeFacts, PaidInvoiceShowsWhatWasPaid) {
  const Facts facts = facts_of("stripe", "invoice.paid", R"({"data":{"object":{"object":"invoice","id":"in_1",
      "number":"ACME-0042","amount_paid":4200,"amount_due":9900,"currency":"eur","customer":"cus_9",
      "customer_name":"Ada L","customer_email":"ada@example.com"}}})");
  EXPECT_EQ(amount(facts), "42.00 EUR");
  EXPECT_EQ(facts.customer, "Ada L (ada@example.com)");
  EXPECT_EQ(facts.subject, "ACME-0042");
}

TEST(StripeFacts, FailedPaymentShowsWhatIsDue) {
  const Facts facts =
      facts_of("stripe", "invoice.payment_failed", R"({"data":{"object":{"object":"invoice","id":"in_1",
      "amount_paid":0,"amount_due":9900,"currency":"jpy","customer":"cus_9"}}})");
  EXPECT_EQ(amount(facts), "9,900 JPY");
  EXPECT_EQ(facts.customer, "cus_9");
  EXPECT_EQ(facts.subject, "in_1");
}

TEST(StripeFacts, EveryKindHasItsOwnAmount) {
  const struct {
    const char* type;
    const char* object;
    const char* shown;
  } rows[] = {
      {"checkout.session.completed", R"({"object":"checkout.session","amount_total":2500,"currency":"usd"})",
       "25.00 USD"},
      {"charge.succeeded", R"({"object":"charge","amount":1000,"amount_refunded":0,"currency":"kwd"})",
       "1.000 KWD"},
      {"charge.refunded", R"({"object":"charge","amount":1000,"amount_refunded":300,"currency":"usd"})",
       "3.00 USD"},
      {"payment_intent.succeeded",
       R"({"object":"payment_intent","amount":700,"amount_received":700,"currency":"isk"})", "7.00 ISK"},
      {"customer.subscription.created",
       R"({"object":"subscription","currency":"usd","items":{"data":[{"quantity":3,"price":{"unit_amount":1500}}]}})",
       "45.00 USD"},
      {"customer.subscription.updated",
       R"({"object":"subscription","plan":{"amount":900,"currency":"gbp"},"quantity":2})", "18.00 GBP"},
      {"customer.subscription.created",
       R"({"object":"subscription","currency":"usd","items":{"data":[{"quantity":9,"price":{"unit_amount":9223372036854775807}}]}})",
       "none"},
      {"customer.subscription.created",
       R"({"object":"subscription","items":{"data":[{"price":{"unit_amount":null}}]}})", "none"},
      {"customer.created", R"({"object":"customer","name":"Ada"})", "none"},
      {"invoice.paid", R"({"amount_paid":4200.0,"currency":"usd"})", "none"},
      {"invoice.paid", R"({"amount_paid":"4200","currency":"usd"})", "none"},
      {"invoice.paid", R"({"id":"in_1","amount_paid":100,"currency":"usd"})", "1.00 USD"},
  };
  for (const auto& row : rows) {
    const Facts facts =
        facts_of("stripe", row.type, std::string(R"({"data":{"object":)") + row.object + "}}");
    EXPECT_EQ(amount(facts), row.shown) << row.type << row.object;
  }
}

TEST(ShopifyFacts, OrderInItsCurrency) {
  const Facts facts =
      facts_of("shopify", "orders/create", R"({"id":820982911946154508,"name":"#1001","order_number":1001,
      "total_price":"254.98","currency":"CAD","email":"jon@example.com","financial_status":"paid",
      "customer":{"first_name":"Jon","last_name":"Snow"}})");
  EXPECT_EQ(amount(facts), "254.98 CAD");
  EXPECT_EQ(facts.customer, "Jon Snow (jon@example.com)");
  EXPECT_EQ(facts.subject, "#1001");
  EXPECT_EQ(facts.detail, "paid");
}

TEST(ShopifyFacts, CustomerTopicIsTheCustomer) {
  const Facts facts = facts_of("shopify", "customers/update",
                               R"({"id":7,"first_name":"Ada","last_name":null,"email":"a@b.c"})");
  EXPECT_EQ(facts.customer, "Ada (a@b.c)");
  EXPECT_EQ(facts.subject, "7");
  EXPECT_EQ(amount(facts), "none");
}

TEST(GithubFacts, PullRequestPushAndWorkflow) {
  const Facts pr =
      facts_of("github", "pull_request.opened", R"({"pull_request":{"number":12,"title":"Fix it"},
      "repository":{"full_name":"acme/app"},"sender":{"login":"octocat"}})");
  EXPECT_EQ(pr.subject, "acme/app#12");
  EXPECT_EQ(pr.detail, "Fix it");
  EXPECT_EQ(pr.customer, "octocat");
  const Facts push =
      facts_of("github", "push", R"({"ref":"refs/heads/main","repository":{"full_name":"acme/app"},
      "pusher":{"name":"ada"},"head_commit":{"message":"Say why"}})");
  EXPECT_EQ(push.subject, "acme/app main");
  EXPECT_EQ(push.detail, "Say why");
  EXPECT_EQ(push.customer, "ada");
  const Facts run = facts_of(
      "github", "workflow_run.completed",
      R"({"workflow_run":{"name":"CI","conclusion":"failure"},"repository":{"full_name":"acme/app"}})");
  EXPECT_EQ(run.detail, "CI: failure");
}

TEST(ChargifyFacts, ReadsTheForm) {
  const Facts facts = facts_of(
      "chargify", "payment_success",
      "event=payment_success&payload%5Btransaction%5D%5Bamount_in_cents%5D=4900"
      "&payload[subscription][currency]=EUR&payload[subscription][product][name]=Gold+plan"
      "&payload[subscription][customer][first_name]=Ada&payload[subscription][customer][last_name]=L"
      "&payload[subscription][customer][email]=ada%40example.com&payload[transaction][memo]=Order+7");
  EXPECT_EQ(amount(facts), "49.00 EUR");
  EXPECT_EQ(facts.customer, "Ada L (ada@example.com)");
  EXPECT_EQ(facts.subject, "Gold plan");
  EXPECT_EQ(facts.detail, "Order 7");
}

TEST(ChargifyFacts, AnAmountWithoutACurrencyHasNone) {
  EXPECT_EQ(amount(facts_of("chargify", "payment_success", "payload[transaction][amount_in_cents]=-4900")),
            "-49.00");
  EXPECT_EQ(amount(facts_of("chargify", "payment_success", "payload[transaction][amount_in_cents]=49.5")),
            "none");
}

TEST(SlackFacts, MessageInAChannel) {
  const Facts facts =
      facts_of("slack", "message", R"({"event":{"type":"message","user":"U1","channel":"C1","text":"hi"}})");
  EXPECT_EQ(facts.customer, "U1");
  EXPECT_EQ(facts.subject, "C1");
  EXPECT_EQ(facts.detail, "hi");
}

TEST(Facts, AreMissingRatherThanWrong) {
  for (const char* provider : {"stripe", "shopify", "github", "slack", "chargify", "generic-hmac", ""}) {
    for (const char* body :
         {"", "null", "[]", "{}", "\"x\"", "{\"data\":", "\xff\xfe", "7", R"({"data":{"object":[]}})",
          R"({"data":{"object":null},"event":5,"customer":"x","repository":[]})"}) {
      const Facts facts = facts_of(provider, "invoice.paid", body);
      EXPECT_FALSE(facts.amount) << provider << body;
      EXPECT_EQ(facts.subject, "") << provider << body;
    }
  }
}

TEST(Facts, DeepAndHugeBodiesAreLeftAlone) {
  EXPECT_FALSE(facts_of("stripe", "x", std::string(100'000, '[')).amount);
  std::string huge =
      R"({"data":{"object":{"id":"in_1","pad":")" + std::string(kMostFactBytes, 'x') + R"("}}})";
  EXPECT_EQ(facts_of("stripe", "x", huge).subject, "");
}

}  // namespace
}  // namespace postern::relay
