#include "relay/providers/handshake.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

const http::Headers kJson = {{"Content-Type", "application/json; charset=utf-8"}};

std::optional<http::Response> ask(std::string_view body, const http::Headers& headers = kJson,
                                  std::string_view provider = "slack") {
  return answer_handshake(*find_provider(provider), headers, body);
}
std::string challenge(std::string_view text) {
  return R"({"token":"t","challenge":")" + std::string(text) + R"(","type":"url_verification"})";
}

TEST(SlackHandshake, EchoesTheChallengeAsPlainText) {
  const auto answer = ask(challenge("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
  EXPECT_EQ(*http::find_header(answer->headers, "content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(*http::find_header(answer->headers, "x-content-type-options"), "nosniff");
}

TEST(SlackHandshake, RefusesToReflectWhatIsNoChallenge) {
  const std::vector<std::string> bodies = {challenge("<script>"),
                                           challenge("a b"),
                                           challenge(""),
                                           challenge("\\u000a"),
                                           challenge("{\\\"a\\\"}"),
                                           challenge("é"),
                                           challenge(std::string(257, 'a')),
                                           R"({"type":"url_verification"})",
                                           R"({"type":"url_verification","challenge":{"a":"b"}})"};
  for (const std::string& body : bodies) {
    const auto answer = ask(body);
    ASSERT_TRUE(answer) << body;
    EXPECT_EQ(answer->status, 400) << body;
    EXPECT_EQ(answer->body.find("script"), std::string::npos);
  }
  EXPECT_EQ(ask(challenge("abc"), {{"Content-Type", "text/plain"}})->status, 400);
  EXPECT_EQ(ask(challenge("abc"), {})->status, 400);
}

TEST(SlackHandshake, LeavesEventsAlone) {
  EXPECT_FALSE(ask(R"({"type":"event_callback","challenge":"abc"})"));
  EXPECT_FALSE(ask(R"({"event":{"type":"url_verification"},"challenge":"abc"})"));
  EXPECT_FALSE(ask("payload=%7B%7D"));
  EXPECT_FALSE(ask(challenge("abc") + std::string(5000, ' '))) << "too long to be a handshake";
}

TEST(SlackHandshake, IsSlacksAlone) {
  for (const Provider& row : providers()) {
    if (row.name != "slack") {
      EXPECT_FALSE(ask(challenge("abc"), kJson, row.name)) << row.name;
    }
  }
}

TEST(Providers, AcknowledgeAsTheyMust) {
  for (const Provider& row : providers()) {
    EXPECT_EQ(row.ack_status, row.name == "chargify" ? 200 : 202) << row.name;
    EXPECT_EQ(row.duplicate_status, 200) << row.name;
  }
  EXPECT_EQ(find_provider("nobody"), nullptr);
}

}  // namespace
}  // namespace postern::relay
