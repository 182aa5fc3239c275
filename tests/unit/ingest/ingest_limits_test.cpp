#include "ingest_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

std::string header(const http::Response& response, std::string_view name) {
  const std::string* const value = http::find_header(response.headers, name);
  return value ? *value : "";
}

std::string code_of(const http::Response& response) {
  return boost::json::parse(response.body).at("code").as_string().c_str();
}

class IngestLimits : public Ingest {
 protected:
  void limit(RateLimit source, RateLimit workspace = {}, std::uint32_t failures_per_minute = 0) {
    options.limits = {source, workspace};
    options.failures_per_minute = failures_per_minute;
    make_handler(std::chrono::seconds(2));
  }
  int send(std::string_view secret = kSecret, const std::string& peer = "192.0.2.1:4711") {
    http::Request request = github("{}", std::to_string(++sent), secret);
    request.peer = peer;
    last = ask(std::move(request));
    return last.status;
  }
  int sends(int times, int status, std::string_view secret = kSecret,
            const std::string& peer = "192.0.2.1:4711") {
    int seen = 0;
    for (int i = 0; i < times; ++i) seen += send(secret, peer) == status;
    return seen;
  }
  double limited(const std::string& by) const {
    for (const auto& metrics : registry->Collect()) {
      if (metrics.name != "postern_ingest_limited_total") continue;
      for (const auto& metric : metrics.metric) {
        if (metric.label.at(0).value == by) return metric.counter.value;
      }
    }
    return -1;
  }
  int sent = 0;
  http::Response last;
};

TEST_F(IngestLimits, AreOffUnlessGiven) {
  EXPECT_EQ(sends(2000, 202), 2000);
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST_F(IngestLimits, AcceptedAndRefusedAreCountedForPeople) {
  limit({1, 5});
  sends(8, 202);
  std::optional<ActivityMinute> minute;
  activity.recent(sources["github"].id, 1, [&](RecentActivity recent) { minute = recent.minutes.back(); });
  ASSERT_TRUE(minute);
  EXPECT_EQ(minute->accepted, 5U);
  EXPECT_EQ(minute->refused, 3U);
}

TEST_F(IngestLimits, ASourceIsRefusedBeforeItsBodyIsRead) {
  limit({10, 20});
  EXPECT_EQ(sends(20, 202), 20);
  const auto decision = handler->on_head(github("", "x"));
  ASSERT_TRUE(std::holds_alternative<http::Response>(decision));
  const auto& refused = std::get<http::Response>(decision);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code_of(refused), "rate_limited");
  EXPECT_EQ(header(refused, "Retry-After"), "1");
  EXPECT_EQ(header(refused, "X-RateLimit-Limit"), "20");
  EXPECT_EQ(header(refused, "X-RateLimit-Remaining"), "0");
  EXPECT_EQ(header(refused, "X-RateLimit-Reset"), "2");
  EXPECT_EQ(header(refused, "RateLimit-Policy"), R"("source";q=20;w=2)");
  EXPECT_EQ(header(refused, "RateLimit"), R"("source";r=0;t=1)");
  EXPECT_EQ(requests("github", "rate_limited"), 1);
  EXPECT_EQ(limited("source"), 1);
  EXPECT_TRUE(audit.empty());
}

TEST_F(IngestLimits, WhoWaitsForRetryAfterIsLetThrough) {
  limit({2, 2});
  EXPECT_EQ(sends(3, 202), 2);
  clock.advance(std::chrono::seconds(std::stoi(header(last, "Retry-After"))));
  EXPECT_EQ(send(), 202);
}

TEST_F(IngestLimits, ARequestCountsOnce) {
  limit({1, 10}, {1, 10});
  EXPECT_EQ(sends(30, 202), 10);
}

TEST_F(IngestLimits, OfASourceLeaveOthersAlone) {
  limit({1, 1});
  EXPECT_EQ(send(), 202);
  EXPECT_EQ(send(), 429);
  EXPECT_EQ(ask(slack("{}", clock)).status, 202);
}

TEST_F(IngestLimits, OfAWorkspaceCountAllItsSources) {
  limit({}, {1, 3});
  EXPECT_EQ(sends(2, 202), 2);
  EXPECT_EQ(ask(slack("{}", clock)).status, 202);
  EXPECT_EQ(send(), 429);
  EXPECT_EQ(header(last, "RateLimit"), R"("workspace";r=0;t=1)");
  EXPECT_EQ(limited("workspace"), 1);
}

TEST_F(IngestLimits, AWorkspacesOwnLimitStandsInPlaceOfTheDefault) {
  workspace_rate = {1, 4};
  publish();
  limit({}, {100, 100});
  EXPECT_EQ(sends(50, 202), 4);
}

TEST_F(IngestLimits, WhatTheWorkspaceRefusesTheSourceIsNotCharged) {
  limit({1, 5}, {1000, 2});
  EXPECT_EQ(sends(50, 202), 2);
  clock.advance(2ms);
  EXPECT_EQ(sends(50, 202), 2);
  clock.advance(2ms);
  EXPECT_EQ(sends(50, 202), 1) << "five of the source's own, and no more";
}

TEST_F(IngestLimits, ASourcesOwnLimitStandsInPlaceOfTheDefault) {
  sources["github"].rate_per_second = 1;
  sources["github"].rate_burst = 7;
  publish();
  limit({100, 100});
  EXPECT_EQ(sends(50, 202), 7);
  sources["github"].rate_per_second = 0;
  publish();
  EXPECT_EQ(send(), 429);
  clock.advance(50ms);
  EXPECT_EQ(sends(50, 202), 5) << "needs no restart, and waits for nothing of the old limit";
}

TEST_F(IngestLimits, TooManyWrongSignaturesAreTold429AndAuditedNoMore) {
  limit({}, {}, 10);
  EXPECT_EQ(sends(10, 401, "wrong"), 10);
  const std::size_t audited = audit.size();
  EXPECT_EQ(sends(5, 429, "wrong"), 5);
  EXPECT_EQ(code_of(last), "too_many_failures");
  EXPECT_EQ(header(last, "Retry-After"), "6");
  EXPECT_EQ(limited("failures"), 5);
  EXPECT_EQ(audit.size(), audited);
  clock.advance(6s);
  EXPECT_EQ(send("wrong"), 401);
  EXPECT_EQ(send("wrong"), 429);
}

TEST_F(IngestLimits, NobodyElseIsHarmedByWrongSignatures) {
  limit({1, 20}, {1, 20}, 10);
  EXPECT_EQ(sends(10, 401, "wrong", "192.0.2.66:1"), 10);
  EXPECT_EQ(sends(1000, 429, "wrong", "192.0.2.66:1"), 1000);
  EXPECT_EQ(sends(10, 202), 10) << "a thousand forged requests took nothing of the source's";
}

TEST_F(IngestLimits, AnAddressIsNeverLockedOutByOthersBehindIt) {
  limit({1, 30}, {}, 10);
  EXPECT_EQ(sends(15, 401, "wrong"), 10);
  EXPECT_EQ(sends(5, 202), 5) << "as through a proxy";
  EXPECT_EQ(sends(100, 202), 15) << "and charged like everybody: 30 less 10 and 5";
}

TEST_F(IngestLimits, ProbationIsOfOneSourceOnly) {
  limit({1, 100}, {}, 10);
  EXPECT_EQ(sends(50, 401, "wrong"), 10);
  http::Request other = slack("{}", clock);
  other.headers[2].value = "v0=00";
  EXPECT_EQ(ask(other).status, 401) << "a provider that one tenant set up wrongly serves others too";
}

TEST_F(IngestLimits, AnIpv6NetworkIsOneAddress) {
  limit({}, {}, 10);
  EXPECT_EQ(sends(10, 401, "wrong", "[2001:db8::1]:1"), 10);
  EXPECT_EQ(send("wrong", "[2001:db8::ffff:2]:9"), 429);
  EXPECT_EQ(send("wrong", "[2001:db8:0:1::1]:1"), 401);
}

TEST_F(IngestLimits, AFloodOnProbationIsRefusedUnread) {
  limit({5, 5}, {}, 1);
  EXPECT_EQ(send("wrong"), 401);
  EXPECT_EQ(sends(5, 429, "wrong"), 5);
  EXPECT_TRUE(std::holds_alternative<http::Response>(handler->on_head(github("", "x"))));
}

}  // namespace
}  // namespace postern::relay
