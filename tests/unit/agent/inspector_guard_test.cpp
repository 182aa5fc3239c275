#include "agent/inspector/guard.hpp"

#include <gtest/gtest.h>

namespace postern::agent::inspector {
namespace {

http::Request asking(std::string target, http::Headers more = {}, std::string host = "127.0.0.1:4040") {
  http::Request request;
  request.method = "GET";
  request.target = std::move(target);
  request.headers = {{"Host", std::move(host)}};
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return request;
}

int answer(const http::Request& request) {
  const auto refusal = Guard("secret").refusal(request);
  return refusal ? refusal->status : 200;
}

const http::Header kToken{"Authorization", "Bearer secret"};

TEST(InspectorGuard, TakesLoopbackHostsOnly) {
  for (const char* host :
       {"127.0.0.1:4040", "127.0.0.1", "127.8.9.1:1", "localhost:8040", "LOCALHOST", "[::1]:4040", "[::1]"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host :
       {"evil.example:4040", "evil.example", "127.0.0.1.evil.example:4040", "localhost.evil.example",
        "localhost.", "10.0.0.1:4040", "0.0.0.0:4040", "[::]:4040", "[::2]", "::1", "[127.0.0.1]",
        "[::ffff:10.0.0.1]", "2130706433", "127.1", "0x7f.0.0.1", "", ":4040", "[", "[]"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(InspectorGuard, ANameThatLeadsHereGetsNothingNotEvenThePage) {
  EXPECT_EQ(answer(asking("/", {}, "evil.example:4040")), 421);
  EXPECT_EQ(answer(asking("/api/deliveries", {kToken}, "evil.example:4040")), 421);
  http::Request without = asking("/");
  without.headers.clear();
  EXPECT_EQ(answer(without), 421);
}

TEST(InspectorGuard, ThePageNeedsNoTokenAndTheApiDoes) {
  EXPECT_EQ(answer(asking("/")), 200);
  EXPECT_EQ(answer(asking("/inspector.js")), 200);
  EXPECT_EQ(answer(asking("/api/deliveries")), 401);
  EXPECT_EQ(answer(asking("/api/deliveries", {kToken})), 200);
  EXPECT_EQ(answer(asking("/api/deliveries", {{"authorization", "bearer secret"}})), 200);
}

TEST(InspectorGuard, NothingElseIsTheToken) {
  for (const char* value : {"Bearer", "Bearer ", "Bearer secret2", "Bearer secre", "Bearer  secret", "secret",
                            "Basic secret", "Bearer secret "}) {
    EXPECT_EQ(answer(asking("/api/deliveries", {{"Authorization", value}})), 401) << value;
  }
  EXPECT_EQ(answer(asking("/api/deliveries", {kToken, kToken})), 401);
  EXPECT_EQ(answer(asking("/api/deliveries?token=secret")), 401);
}

TEST(InspectorGuard, AnotherOriginIsRefusedAlsoWithTheToken) {
  const auto from = [](std::string origin) {
    return answer(asking("/api/deliveries", {kToken, {"Origin", std::move(origin)}}));
  };
  EXPECT_EQ(from("http://127.0.0.1:4040"), 200);
  for (const char* other : {"https://127.0.0.1:4040", "http://127.0.0.1:3000", "http://localhost:4040",
                            "null", "", "http://evil.example", "http://127.0.0.1:4040.evil.example"}) {
    EXPECT_EQ(from(other), 403) << other;
  }
  EXPECT_EQ(answer(asking("/api/deliveries",
                          {kToken, {"Origin", "http://127.0.0.1:4040"}, {"Origin", "http://evil.example"}})),
            403);
}

TEST(InspectorGuard, WhatABrowserSaysOfItsPageCounts) {
  const auto from = [](std::string site) {
    return answer(asking("/api/deliveries", {kToken, {"Sec-Fetch-Site", std::move(site)}}));
  };
  EXPECT_EQ(from("same-origin"), 200);
  EXPECT_EQ(from("none"), 200);
  EXPECT_EQ(from("same-site"), 403);
  EXPECT_EQ(from("cross-site"), 403);
  // A link to the page from elsewhere shows the page.
  EXPECT_EQ(answer(asking("/", {{"Sec-Fetch-Site", "cross-site"}})), 200);
}

TEST(InspectorGuard, EveryAnswerTellsTheBrowserWhatItMayNotDo) {
  for (const auto& response :
       {make_response(200, "text/html", ""), error_response(401, "token_needed", "x")}) {
    const auto policy = http::find_header(response.headers, "Content-Security-Policy");
    ASSERT_TRUE(policy);
    EXPECT_TRUE(policy->starts_with("default-src 'none'"));
    EXPECT_FALSE(policy->contains("unsafe"));
    EXPECT_EQ(*http::find_header(response.headers, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(*http::find_header(response.headers, "X-Frame-Options"), "DENY");
    EXPECT_EQ(*http::find_header(response.headers, "Cache-Control"), "no-store");
    EXPECT_FALSE(http::find_header(response.headers, "Access-Control-Allow-Origin"));
  }
}

}  // namespace
}  // namespace postern::agent::inspector
