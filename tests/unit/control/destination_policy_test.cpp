#include <gtest/gtest.h>

#include "tests/unit/control/api_fixture.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

using DestinationPolicyTest = ApiFixture;

TEST_F(DestinationPolicyTest, ANewDestinationShowsTheDefaults) {
  const auto made = make_destination("app");
  EXPECT_EQ(json::serialize(made.at("rate_limit")), R"({"per_second":0,"burst":0})");
  EXPECT_EQ(made.at("ordering").as_string(), "none");
  EXPECT_EQ(
      json::serialize(made.at("breaker")),
      R"({"enabled":true,"failure_percent":50,"least_attempts":10,"failures_in_a_row":10,"window":"5m",)"
      R"("open_first":"30s","open_most":"10m","probes":3})");
  EXPECT_EQ(
      json::serialize(made.at("status").at("breaker")),
      R"({"state":"closed","since":null,"probe_at":null,"attempts":0,"failures":0,"failures_in_a_row":0})");
}

TEST_F(DestinationPolicyTest, WhatAPatchLeavesOutStays) {
  const std::string path = "/api/v1/destinations/" + id_of(make_destination("app"));
  ok("PATCH", path, R"({"rate_limit":{"per_second":5,"burst":9},"ordering":"destination"})");
  ok("PATCH", path, R"({"breaker":{"failures_in_a_row":3,"window":"1m"}})");
  ok("PATCH", path, R"({"rate_limit":{"per_second":6},"breaker":{"probes":1}})");
  const auto now = ok("GET", path);
  EXPECT_EQ(json::serialize(now.at("rate_limit")), R"({"per_second":6,"burst":9})");
  EXPECT_EQ(now.at("ordering").as_string(), "destination");
  EXPECT_EQ(now.at("breaker").at("failures_in_a_row").as_int64(), 3);
  EXPECT_EQ(now.at("breaker").at("window").as_string(), "1m");
  EXPECT_EQ(now.at("breaker").at("probes").as_int64(), 1);
  EXPECT_EQ(now.at("breaker").at("failure_percent").as_int64(), 50);
}

TEST_F(DestinationPolicyTest, WrongOnesAreNamedWithTheirPlace) {
  const std::string path = "/api/v1/destinations/" + id_of(make_destination("app"));
  const auto answer = [&](const std::string& patch) {
    const auto response = call("PATCH", path, patch);
    EXPECT_EQ(response.status, 422) << patch;
    return response.body;
  };
  EXPECT_NE(answer(R"({"rate_limit":{"per_second":-1}})").find("rate_limit.per_second"), std::string::npos);
  EXPECT_NE(answer(R"({"breaker":{"probse":1}})").find("breaker.probse"), std::string::npos);
  EXPECT_NE(answer(R"({"breaker":{"open_first":"1h"}})").find("breaker.open_most"), std::string::npos);
  EXPECT_NE(answer(R"({"ordering":"strict"})").find("none, destination or key"), std::string::npos);
  EXPECT_NE(answer(R"({"ordering":"key"})").find("/customer/id or header:X-Customer"), std::string::npos);
  EXPECT_NE(answer(R"({"ordering_key":"/id"})").find("ordering_key"), std::string::npos);
  EXPECT_NE(answer(R"({"ordering":"key","ordering_key":"id"})").find("JSON pointer"), std::string::npos);
  EXPECT_NE(answer(R"({"breaker":null})").find("must be an object"), std::string::npos);
}

TEST_F(DestinationPolicyTest, ABreakerIsResetAndTheResetIsAudited) {
  const auto made = make_destination("app");
  const std::string path = "/api/v1/destinations/" + id_of(made) + "/breaker/reset";
  EXPECT_EQ(call_as(other_key, "POST", path).status, 404);
  EXPECT_TRUE(deliveries.breakers_reset.empty());
  EXPECT_EQ(call("POST", path).status, 204);
  ASSERT_EQ(deliveries.breakers_reset.size(), 1U);
  EXPECT_EQ(deliveries.breakers_reset[0].to_string(), id_of(made));
  EXPECT_NE(call("GET", "/api/v1/audit").body.find("destination.breaker_reset"), std::string::npos);
}

}  // namespace
}  // namespace postern::control
