#include "relay/notify/slack_message.hpp"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

Event stripe_event() {
  Event event;
  event.id = *EventId::parse("evt_01jd8x0000e008000000000000");
  event.type = "invoice.paid";
  event.verified = true;
  event.received_at = Time(std::chrono::seconds(1'700'000'000));
  event.body = R"({"data":{"object":{"object":"invoice","number":"A-1","amount_paid":4200,"currency":"eur",
                  "customer_email":"ada@example.com"}}})";
  return event;
}

Source stripe_source() {
  Source source;
  source.name = "payments";
  source.provider = "stripe";
  return source;
}

json::object message_of(const Event& event, const Source* source,
                        std::string_view base = "https://relay.example/") {
  return json::parse(slack_message({event, source, base})).as_object();
}

std::string_view text_at(const json::value& in, std::string_view pointer) {
  return in.at_pointer(pointer).as_string();
}

TEST(SlackMessage, SaysWhatHappenedWhereAndToWhom) {
  const Event event = stripe_event();
  const Source source = stripe_source();
  const json::value message = message_of(event, &source);
  EXPECT_EQ(text_at(message, "/blocks/0/type"), "header");
  EXPECT_EQ(text_at(message, "/blocks/0/text/text"), "invoice.paid \xc2\xb7 42.00 EUR");
  EXPECT_EQ(text_at(message, "/blocks/1/fields/0/text"), "*Amount*\n42.00 EUR");
  EXPECT_EQ(text_at(message, "/blocks/1/fields/1/text"), "*Customer*\nada@example.com");
  EXPECT_EQ(text_at(message, "/blocks/1/fields/2/text"), "*Subject*\nA-1");
  EXPECT_EQ(text_at(message, "/blocks/2/elements/0/text"),
            "*payments* \xc2\xb7 stripe \xc2\xb7 invoice.paid \xc2\xb7 "
            "<!date^1700000000^{date_short_pretty} {time_secs}|2023-11-14T22:13:20.000Z>");
  const std::string id = event.id.to_string();
  EXPECT_EQ(text_at(message, "/blocks/3/elements/0/text"),
            "<https://relay.example/events/" + id + "|View event> \xc2\xb7 `" + id + "`");
  EXPECT_EQ(text_at(message, "/text"),
            "invoice.paid \xc2\xb7 42.00 EUR \xc2\xb7 payments \xc2\xb7 ada@example.com \xc2\xb7 A-1");
  EXPECT_FALSE(message.at("unfurl_links").as_bool());
}

TEST(SlackMessage, WorksWithoutTypeFactsSourceOrLink) {
  Event event = stripe_event();
  event.type.clear();
  event.body = "not json";
  event.verified = false;
  const json::value message = message_of(event, nullptr, "");
  EXPECT_EQ(text_at(message, "/blocks/0/text/text"), "Event from deleted source");
  EXPECT_EQ(message.at("blocks").as_array().size(), 3u);
  EXPECT_NE(text_at(message, "/blocks/1/elements/0/text").find("*unverified*"), std::string_view::npos);
  EXPECT_EQ(text_at(message, "/blocks/2/elements/0/text"), "`" + event.id.to_string() + "`");
  EXPECT_FALSE(text_at(message, "/text").empty());
}

TEST(SlackMessage, ALinkBaseThatWouldBreakTheMarkupIsNotUsed) {
  const Event event = stripe_event();
  const json::value message = message_of(event, nullptr, "https://a.example|x>");
  EXPECT_EQ(text_at(message, "/blocks/2/elements/0/text"), "`" + event.id.to_string() + "`");
}

/// Every string a hostile sender can choose.
std::pair<Event, Source> hostile(const std::string& text) {
  Event event = stripe_event();
  event.type = text;
  const json::object object = {{"object", "invoice"}, {"number", text},        {"amount_paid", 1},
                               {"currency", text},    {"customer_name", text}, {"customer_email", text},
                               {"description", text}};
  event.body = json::serialize(json::object{{"data", json::object{{"object", object}}}});
  Source source = stripe_source();
  source.name = text;
  return {std::move(event), std::move(source)};
}

TEST(SlackMessage, NobodyCanBeMentionedAndNothingLinked) {
  for (const char* text :
       {"<!channel>", "<!here|x>", "<!everyone>", "<@U123>", "<#C1>", "<!subteam^S1>",
        "<https://evil.example|click>", "<mailto:a@b|c>", "@channel", "@everyone", "@here"}) {
    const auto [event, source] = hostile(text);
    const std::string message = slack_message({event, &source, ""});
    EXPECT_EQ(message.find(text), std::string::npos) << message;
  }
}

TEST(SlackMessage, NoValueCanForgeALineOfOurs) {
  const auto [event, source] = hostile("x\n*Amount*\n1,000,000.00 EUR");
  const json::value message = message_of(event, &source);
  for (const json::value& field : message.at_pointer("/blocks/1/fields").as_array()) {
    const std::string text(field.at("text").as_string());
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
}

void expect_within_limits(const json::value& node) {
  if (const auto* array = node.if_array()) {
    for (const json::value& item : *array) expect_within_limits(item);
  }
  const auto* object = node.if_object();
  if (!object) return;
  for (const auto& member : *object) expect_within_limits(member.value());
  const auto* type = object->if_contains("type");
  if (type && *type == "mrkdwn") EXPECT_LE(object->at("text").as_string().size(), 2000u);
  if (type && *type == "plain_text") EXPECT_LE(object->at("text").as_string().size(), 150u * 3);
}

TEST(SlackMessage, KeepsTheLimitsForAnyInput) {
  for (const std::string unit : {"x", "<", "&", "\xc3\xa9", "@channel ", "\xff"}) {
    std::string text;
    while (text.size() < 20'000) text += unit;
    auto [event, source] = hostile(is_utf8(text) ? text : "x");
    event.type = text;  // a header: any bytes
    const std::string written = slack_message({event, &source, "https://relay.example"});
    EXPECT_TRUE(is_utf8(written));
    const json::value message = json::parse(written);
    EXPECT_LE(message.at("blocks").as_array().size(), 50u);
    expect_within_limits(message);
    const std::string header(text_at(message, "/blocks/0/text/text"));
    EXPECT_LE(std::count_if(header.begin(), header.end(), [](char c) { return (c & 0xc0) != 0x80; }), 150)
        << header;
    EXPECT_LE(message.at("text").as_string().size(), 3000u);
  }
}

TEST(SlackMessage, TheAmountSurvivesALongType) {
  Event event = stripe_event();
  event.type = "invoice." + std::string(500, 'x');
  const Source source = stripe_source();
  event.body = R"({"data":{"object":{"object":"invoice","amount_paid":4200,"currency":"eur"}}})";
  const json::value message = message_of(event, &source);
  EXPECT_TRUE(text_at(message, "/blocks/0/text/text").ends_with(" \xc2\xb7 42.00 EUR"));
}

}  // namespace
}  // namespace postern::relay
