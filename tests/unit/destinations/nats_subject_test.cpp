#include "relay/destinations/nats_subject.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

std::string render(std::string_view text, SubjectValues values) {
  const auto subject = SubjectTemplate::parse(text, "postern");
  return subject ? subject->render(values) : subject.error().message;
}

std::string refusal(std::string_view text, std::string_view prefix = "postern") {
  const auto subject = SubjectTemplate::parse(text, prefix);
  return subject ? "" : subject.error().message;
}

const SubjectValues kPaid{"acme", "shop", "stripe", "invoice.paid", ""};

TEST(NatsSubject, TheDefault) {
  EXPECT_EQ(render("", kPaid), "postern.acme.shop.invoice.paid");
  EXPECT_EQ(SubjectTemplate::parse("", "evt.webhook")->text(), "evt.webhook.{workspace}.{source}.{type}");
  EXPECT_EQ(SubjectTemplate::parse("", "evt.webhook")->render(kPaid), "evt.webhook.acme.shop.invoice.paid");
}

TEST(NatsSubject, EveryPlaceholder) {
  const SubjectValues order{"acme", "shop", "shopify", "orders/create", "order.created"};
  EXPECT_EQ(render("postern.{workspace}.evt.{provider}.{source}.{domain}", order),
            "postern.acme.evt.shopify.shop.order.created");
  EXPECT_EQ(render("postern.{workspace}.x-{type}", order), "postern.acme.x-orders.create");
  EXPECT_EQ(render("postern.{workspace}.{domain}", kPaid), "postern.acme.invoice.paid")
      << "no domain name: the type";
}

TEST(NatsSubject, NothingInsertedCanAddATokenAWildcardOrABlank) {
  EXPECT_EQ(render("", {"acme", "a.b", "p", "x y.*.>", ""}), "postern.acme.a_b.x_y._._");
  EXPECT_EQ(render("", {"acme", "s", "p", "..a...b..", ""}), "postern.acme.s.a.b");
  EXPECT_EQ(render("", {"acme", "s", "p", "", ""}), "postern.acme.s.none");
  EXPECT_EQ(render("", {"acme", "s", "p", "...", ""}), "postern.acme.s.none");
  EXPECT_EQ(render("", {"acme", "", "p", "t\r\nPUB x", ""}), "postern.acme.none.t__PUB_x");
  EXPECT_EQ(subject_token("\xc3\xa4$"), "___");
  EXPECT_LE(subject_tokens(std::string(5000, 'x')).size(), 200U);
}

TEST(NatsSubject, NoWorkspaceCanPassForAnother) {
  EXPECT_EQ(nats_workspace_token("acme", "wsp_1"), "acme");
  EXPECT_EQ(nats_workspace_token("acme.shop", "wsp_1"), "wsp_1");
  EXPECT_EQ(nats_workspace_token("", "wsp_1"), "wsp_1");
  EXPECT_EQ(nats_workspace_token("wsp_2", "wsp_1"), "wsp_1");
}

TEST(NatsSubject, ATemplateStaysInItsWorkspace) {
  for (const char* text :
       {"postern.other.{type}", "postern.{source}.{workspace}.x", "{workspace}.x", "$JS.API.{type}",
        "postern.{workspace}x.{type}", "posternX.{workspace}.{type}", "postern.{workspace}"}) {
    EXPECT_NE(refusal(text).find("begins with \"postern.{workspace}.\""), std::string::npos) << text;
  }
}

TEST(NatsSubject, WhatIsWrongIsSaid) {
  EXPECT_NE(refusal("postern.{workspace}.").find("empty token"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.a..b").find("empty token"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.>").find("wildcards"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.a b").find("letters"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.a}").find("letters"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.{type").find("no }"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.{tpye}").find("{domain}"), std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}.{type}.{type}.{type}.{type}.{type}.{type}.{type}.{type}")
                .find("8 placeholders"),
            std::string::npos);
  EXPECT_NE(refusal("postern.{workspace}." + std::string(300, 'a')).find("256"), std::string::npos);
}

TEST(NatsSubject, ThePrefixIsTheOperators) {
  for (const char* good : {"postern", "evt.webhook", "a-b_c"})
    EXPECT_TRUE(check_subject_prefix(good)) << good;
  for (const char* bad :
       {"", ".", "a.", "a b", "$SYS", "$JS.API", "_INBOX", "_INBOX.x", "a.>", "*", "{workspace}"})
    EXPECT_FALSE(check_subject_prefix(bad)) << bad;
}

}  // namespace
}  // namespace postern::relay
