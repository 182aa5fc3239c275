#include "agent/app_exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::agent {
namespace {

tunnel::DeliverHead head() {
  tunnel::DeliverHead head;
  head.host = "localhost";
  head.port = 8000;
  head.method = "POST";
  head.target = "/in?a=%20b";
  return head;
}

std::shared_ptr<const std::string> body(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

TEST(AppRequest, KeepsEndToEndHeadersInOrderAndCase) {
  auto delivered = head();
  delivered.headers = {{"X-b", "2"}, {"X-A", "1"}, {"x-b", "3"}, {"Empty", ""}, {"X-Bytes", "\x80\xff"}};
  const auto request = to_app_request(delivered);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->headers, delivered.headers);
  EXPECT_EQ(request->target, "/in?a=%20b");
}

TEST(AppRequest, LeavesOutWhatBelongsToOneConnection) {
  auto delivered = head();
  for (const char* name : {"Content-Length", "transfer-encoding", "CONNECTION", "Keep-Alive", "Upgrade", "TE",
                           "Trailer", "Expect", "Proxy-Connection", "hOST"}) {
    delivered.headers.push_back({name, "5"});
  }
  delivered.headers.push_back({"X-Stays", "1"});
  const auto request = to_app_request(delivered);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->headers, (http::Headers{{"X-Stays", "1"}}));
}

struct Hostile {
  const char* what;
  std::function<void(tunnel::DeliverHead&)> make;
};

class AppRequestRefuses : public testing::TestWithParam<Hostile> {};

TEST_P(AppRequestRefuses, WhatCouldBecomeAnotherRequest) {
  auto delivered = head();
  GetParam().make(delivered);
  const auto request = to_app_request(delivered);
  ASSERT_FALSE(request) << GetParam().what;
  EXPECT_EQ(request.error().code, "bad_request");
}

INSTANTIATE_TEST_SUITE_P(
    Heads, AppRequestRefuses,
    testing::Values(Hostile{"line break in a value", [](auto& h) { h.headers = {{"A", "b\r\nC: d"}}; }},
                    Hostile{"line feed in a value", [](auto& h) { h.headers = {{"A", "b\nC: d"}}; }},
                    Hostile{"NUL in a value", [](auto& h) { h.headers = {{"A", std::string("b\0c", 3)}}; }},
                    Hostile{"colon in a name", [](auto& h) { h.headers = {{"A:b", "c"}}; }},
                    Hostile{"blank in a name", [](auto& h) { h.headers = {{"A ", "c"}}; }},
                    Hostile{"empty name", [](auto& h) { h.headers = {{"", "c"}}; }},
                    Hostile{"blank in the target", [](auto& h) { h.target = "/a b"; }},
                    Hostile{"line break in the target", [](auto& h) { h.target = "/a\r\nX: y"; }},
                    Hostile{"absolute target", [](auto& h) { h.target = "http://elsewhere/"; }},
                    Hostile{"empty target", [](auto& h) { h.target = ""; }},
                    Hostile{"blank in the method", [](auto& h) { h.method = "GET /x"; }},
                    Hostile{"empty method", [](auto& h) { h.method = ""; }}));

TEST(AppRequest, AnEmptyBodyIsSaidOnlyWhereMethodsHaveOne) {
  http::ClientRequest request;
  request.method = "GET";
  attach_body(request, body(""));
  EXPECT_FALSE(request.body);
  request.method = "POST";
  attach_body(request, body(""));
  EXPECT_TRUE(request.body);
  request.method = "GET";
  attach_body(request, body("said all the same"));
  EXPECT_EQ(*request.body, "said all the same");
}

TEST(AppAnswer, CutsAMessageThatIsTooLong) {
  EXPECT_EQ(not_sent("code", std::string(100'000, 'm')).head.error_message.size(), 1024U);
}

TEST(AppAnswer, FitsTheTunnelWhateverTheAppSays) {
  http::ClientResponse response;
  response.status = 200;
  for (int i = 0; i < 1000; ++i)
    response.headers.push_back({"X-" + std::to_string(i), std::string(1000, 'v')});
  response.body = "kept";
  const AppAnswer answer = to_answer(std::move(response));
  EXPECT_LE(answer.head.headers.size(), 200U);
  EXPECT_EQ(answer.head.headers.front().name, "X-0");
  EXPECT_EQ(answer.body, "kept");
  EXPECT_TRUE(tunnel::encode(answer.head));
}

TEST(AppAnswer, SaysHonestlyHowFarAFailureCame) {
  const AppAnswer nothing = to_answer(http::ClientError{{"connect_failed", "no"}, http::Sent::nothing, {}});
  EXPECT_EQ(nothing.head.outcome, tunnel::ResultOutcome::not_sent);
  EXPECT_EQ(nothing.head.error_code, "connect_failed");
  const AppAnswer maybe = to_answer(http::ClientError{{"timeout", "late"}, http::Sent::maybe, {}});
  EXPECT_EQ(maybe.head.outcome, tunnel::ResultOutcome::maybe_sent);
}

}  // namespace
}  // namespace postern::agent
