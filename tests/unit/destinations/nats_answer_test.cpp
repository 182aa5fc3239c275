#include "relay/destinations/nats_answer.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using Kind = NatsAnswer::Kind;

AttemptResult record(NatsAnswer answer) {
  AttemptResult result;
  record_nats_answer(result, std::move(answer), "postern.acme.shop.invoice.paid");
  return result;
}
AttemptResult answered(std::string data) {
  return record({Kind::answered, "", "", std::move(data)});
}

TEST(NatsAnswerRecord, AnAcknowledgementIsDeliveredWithStreamAndSequence) {
  const AttemptResult result = answered(R"({"stream":"EVENTS", "seq":42})");
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered);
  EXPECT_EQ(result.attempt.response_status, 200);
  EXPECT_EQ(result.attempt.response_headers,
            (http::Headers{{"Nats-Stream", "EVENTS"}, {"Nats-Sequence", "42"}}));
  EXPECT_EQ(result.attempt.response_body, R"({"stream":"EVENTS", "seq":42})");
}

TEST(NatsAnswerRecord, ADuplicateIsThereAlready) {
  const AttemptResult result = answered(R"({"stream":"EVENTS","seq":42,"duplicate":true})");
  EXPECT_EQ(result.attempt.outcome, Outcome::delivered);
  EXPECT_EQ(*http::find_header(result.attempt.response_headers, "Nats-Duplicate"), "true");
}

TEST(NatsAnswerRecord, NoStreamSaysWhatToDo) {
  const AttemptResult result = record({Kind::no_responders, "", "", ""});
  EXPECT_EQ(result.attempt.outcome, Outcome::rejected);
  EXPECT_TRUE(result.attempt.counted);
  EXPECT_FALSE(result.final);
  EXPECT_EQ(result.attempt.error_code, "no_stream");
  EXPECT_EQ(result.attempt.response_status, 503);
  EXPECT_NE(result.attempt.error_message.find("--subjects \"postern.>\""), std::string::npos);
}

TEST(NatsAnswerRecord, ARefusalIsRetriedUnlessNothingCanHelp) {
  const AttemptResult full = answered(
      R"({"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"EVENTS","seq":0})");
  EXPECT_EQ(full.attempt.outcome, Outcome::rejected);
  EXPECT_EQ(full.attempt.error_code, "jetstream_refused");
  EXPECT_EQ(full.attempt.response_status, 503);
  EXPECT_NE(full.attempt.error_message.find("maximum messages exceeded (error 10077)"), std::string::npos);
  EXPECT_FALSE(full.final);
  EXPECT_TRUE(
      answered(
          R"({"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}})")
          .final);
}

TEST(NatsAnswerRecord, SomebodyElsesAnswerIsNoSuccess) {
  for (const char* data : {"", "OK", "{}", "[]", R"({"stream":""})", R"({"stream":{}})"}) {
    EXPECT_EQ(answered(data).attempt.outcome, Outcome::rejected) << data;
    EXPECT_EQ(answered(data).attempt.error_code, "unexpected_answer") << data;
  }
  const AttemptResult large = answered(std::string(100'000, 'x'));
  EXPECT_EQ(large.attempt.response_body.size(), 64U * 1024);
  EXPECT_TRUE(large.attempt.response_truncated);
}

TEST(NatsAnswerRecord, WhatMayHaveBeenSentCounts) {
  const AttemptResult result = record({Kind::maybe_sent, "nats_connection_lost", "lost", ""});
  EXPECT_EQ(result.attempt.outcome, Outcome::maybe_sent);
  EXPECT_TRUE(result.attempt.counted);
  EXPECT_EQ(result.attempt.error_code, "nats_connection_lost");
}

TEST(NatsAnswerRecord, WhatWasNotSentBurnsNothingAndWaits) {
  for (const char* code : {"nats_away", "nats_busy", "nats_queued", "nats_unusable"}) {
    const AttemptResult result = record({Kind::not_sent, code, "away", ""});
    EXPECT_EQ(result.attempt.outcome, Outcome::not_sent) << code;
    EXPECT_FALSE(result.attempt.counted) << code;
    EXPECT_FALSE(result.final) << code;
    EXPECT_GE(result.retry_after.value_or(0s), 1s) << code;
  }
}

TEST(NatsAnswerRecord, TooLargeIsFinalAndSaysByHowMuch) {
  AttemptResult result;
  record_too_large(result, 2'000'000, 1'048'576);
  EXPECT_EQ(result.attempt.outcome, Outcome::not_sent);
  EXPECT_TRUE(result.final);
  EXPECT_EQ(result.attempt.error_code, "nats_too_large");
  EXPECT_NE(result.attempt.error_message.find("2000000 bytes"), std::string::npos);
  EXPECT_NE(result.attempt.error_message.find("1048576"), std::string::npos);
  EXPECT_TRUE(record({Kind::not_sent, "nats_too_large", "too large", ""}).final);
}

}  // namespace
}  // namespace postern::relay
