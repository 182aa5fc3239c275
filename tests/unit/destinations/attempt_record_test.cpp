#include "relay/destinations/attempt_record.hpp"

#include "tunnel-proto/outcome_reasons.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

const Time kNow(std::chrono::seconds(1'700'000'000));

AttemptResult answered(int status, const Destination& destination = {}, http::Headers headers = {}) {
  AttemptResult result;
  record_answer(result, {status, std::move(headers), "body", false}, destination, kNow);
  return result;
}

TEST(RecordAnswer, TwoHundredsAreDelivered) {
  for (const int status : {200, 201, 202, 204, 299}) {
    const AttemptResult result = answered(status);
    EXPECT_EQ(result.attempt.outcome, Outcome::delivered) << status;
    EXPECT_EQ(result.attempt.response_status, status);
    EXPECT_FALSE(result.final || result.gone);
  }
}

TEST(RecordAnswer, EverythingElseIsRejectedAndRetried) {
  for (const int status : {101, 301, 302, 307, 308, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504}) {
    const AttemptResult result = answered(status);
    EXPECT_EQ(result.attempt.outcome, Outcome::rejected) << status;
    EXPECT_TRUE(result.attempt.counted);
    EXPECT_FALSE(result.final || result.gone || result.retry_after) << status;
    EXPECT_EQ(result.attempt.error_code, "");
  }
}

TEST(RecordAnswer, GoneDisables) {
  const AttemptResult result = answered(410);
  EXPECT_TRUE(result.gone && result.final);
}

TEST(RecordAnswer, ListedStatusesAreFinal) {
  Destination destination;
  destination.final_statuses = {404, 422};
  EXPECT_TRUE(answered(422, destination).final);
  EXPECT_FALSE(answered(422, destination).gone);
  EXPECT_FALSE(answered(423, destination).final);
}

TEST(RecordAnswer, RetryAfterIsReadAndCapped) {
  EXPECT_EQ(answered(503, {}, {{"Retry-After", "90"}}).retry_after, 90s);
  EXPECT_EQ(answered(429, {}, {{"Retry-After", "9999999"}}).retry_after, 24h);
  EXPECT_FALSE(answered(200, {}, {{"Retry-After", "90"}}).retry_after);
  EXPECT_FALSE(answered(503, {}, {{"Retry-After", "later"}}).retry_after);
}

TEST(RecordAnswer, NoMoreThanTheCapIsKept) {
  AttemptResult result;
  record_answer(result, {500, {}, std::string(kMostResponseBytes + 1, 'x'), false}, {}, kNow);
  EXPECT_EQ(result.attempt.response_body.size(), kMostResponseBytes);
  EXPECT_TRUE(result.attempt.response_truncated);
}

TEST(RecordClientError, NamesTheSettingThatWouldAllowARefusedAddress) {
  AttemptResult result;
  record_client_error(result, {{"address_refused", "no address may be dialled"}, http::Sent::nothing, {}});
  EXPECT_NE(result.attempt.error_message.find("egress.allow_networks"), std::string::npos);
}

TEST(RecordClientError, IsHonestAboutWhatWasSentAndCountsWhatTheDestinationDid) {
  const struct {
    const char* code;
    http::Sent sent;
    Outcome outcome;
    bool counted;
  } rows[] = {
      {"dns_failed", http::Sent::nothing, Outcome::not_sent, true},
      {"address_refused", http::Sent::nothing, Outcome::not_sent, true},
      {"connect_failed", http::Sent::nothing, Outcome::not_sent, true},
      {"connect_timeout", http::Sent::nothing, Outcome::not_sent, true},
      {"tls_failed", http::Sent::nothing, Outcome::not_sent, true},
      {"timeout", http::Sent::nothing, Outcome::not_sent, true},
      {"timeout", http::Sent::maybe, Outcome::maybe_sent, true},
      {"read_failed", http::Sent::maybe, Outcome::maybe_sent, true},
      {"malformed_response", http::Sent::maybe, Outcome::maybe_sent, true},
      {"local_resources", http::Sent::nothing, Outcome::not_sent, false},
      {"tls_config", http::Sent::nothing, Outcome::not_sent, false},
      {"cancelled", http::Sent::nothing, Outcome::not_sent, false},
      {"cancelled", http::Sent::maybe, Outcome::maybe_sent, true},
  };
  for (const auto& row : rows) {
    AttemptResult result;
    record_client_error(result, {{row.code, "why"}, row.sent, {1us, 2us, 3us, 4us, 5us}});
    EXPECT_EQ(result.attempt.outcome, row.outcome) << row.code;
    EXPECT_EQ(result.attempt.counted, row.counted) << row.code;
    EXPECT_EQ(result.attempt.error_code, row.code);
    EXPECT_EQ(result.attempt.total, 5us);
    EXPECT_FALSE(result.final || result.wait_for_agent) << row.code;
  }
}

TEST(RecordClientError, ARequestHttpCannotSayIsFinal) {
  AttemptResult result;
  record_client_error(result, {{"invalid_request", "why"}, http::Sent::nothing, {}});
  EXPECT_TRUE(result.final && result.attempt.counted);
}

AttemptResult from_agent(Outcome outcome, std::string code, int status = 0) {
  AgentAnswer answer;
  answer.outcome = outcome;
  answer.error_code = std::move(code);
  answer.status = status;
  AttemptResult result;
  record_agent_answer(result, std::move(answer), {}, kNow);
  return result;
}

TEST(RecordAgentAnswer, AnAwayAgentIsWaitedForAndBurnsNothing) {
  const AttemptResult result = from_agent(Outcome::not_sent, "agent_away");
  EXPECT_TRUE(result.wait_for_agent);
  EXPECT_FALSE(result.attempt.counted);
}

TEST(RecordAgentAnswer, WhatWasNotSentNeverCounts) {
  for (const auto& [code, what] : tunnel::kNotSentReasons) {
    const AttemptResult result = from_agent(Outcome::not_sent, std::string(code));
    EXPECT_FALSE(result.attempt.counted) << code;
    EXPECT_EQ(result.final, what == tunnel::NotSent::never) << code;
  }
  const AttemptResult unheard_of = from_agent(Outcome::not_sent, "unheard_of");
  EXPECT_FALSE(unheard_of.attempt.counted || unheard_of.final || unheard_of.wait_for_agent);
}

TEST(RecordAgentAnswer, WhatMayHaveBeenSentCounts) {
  for (const std::string_view code : tunnel::kMaybeSentReasons)
    EXPECT_TRUE(from_agent(Outcome::maybe_sent, std::string(code)).attempt.counted) << code;
  EXPECT_FALSE(from_agent(Outcome::maybe_sent, "agent_away").wait_for_agent);
}

TEST(RecordAgentAnswer, AnAnswerIsLikeAnyOther) {
  EXPECT_EQ(from_agent(Outcome::delivered, "", 204).attempt.outcome, Outcome::delivered);
  EXPECT_EQ(from_agent(Outcome::rejected, "", 500).attempt.outcome, Outcome::rejected);
  EXPECT_TRUE(from_agent(Outcome::rejected, "", 410).gone);
}

TEST(RecordUnusable, EndsTheDelivery) {
  AttemptResult result;
  record_unusable(result, {"invalid_url", "why"});
  EXPECT_TRUE(result.final && result.attempt.counted);
  AttemptResult refused;
  record_unusable(refused, {"address_refused", "why"});
  EXPECT_FALSE(refused.final);
  EXPECT_TRUE(refused.attempt.counted);
}

TEST(BeginAttempt, NumbersAllTries) {
  AttemptJob job;
  job.leased.tries = 4;
  EXPECT_EQ(begin_attempt(job, kNow).attempt.number, 5u);
  EXPECT_EQ(begin_attempt(job, kNow).attempt.started_at, kNow);
}

}  // namespace
}  // namespace postern::relay
