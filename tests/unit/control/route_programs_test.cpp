#include "api_fixture.hpp"

namespace postern::control {
namespace {

class RouteProgramsTest : public ApiFixture {
 protected:
  RouteProgramsTest() : source(id_of(make_source("gh"))), destination(id_of(make_destination("app"))) {}

  http::Response make_route(std::string_view programs) {
    return call(
        "POST", "/api/v1/routes",
        fmt::format(R"({{"source_id":"{}","destination_id":"{}"{}}})", source, destination, programs));
  }
  boost::json::object test(std::string_view body) {
    return ok("POST", "/api/v1/routes/test", std::string(body));
  }
  std::string replay_current(const std::string& event) {
    const auto made = ok("POST", "/api/v1/events/" + event + "/replay", R"({"configuration":"current"})");
    return std::string(made.at("delivery_ids").as_array().at(0).as_string());
  }
  boost::json::object delivery(const std::string& id) { return ok("GET", "/api/v1/deliveries/" + id); }

  std::string source, destination;
};

TEST_F(RouteProgramsTest, AreKeptChangedAndTakenAway) {
  const auto made = parsed(make_route(R"(,"filter":".body.a","transform":"{b: .body.a}")"));
  EXPECT_EQ(made.at("filter").as_string(), ".body.a");
  EXPECT_EQ(made.at("transform").as_string(), "{b: .body.a}");
  const std::string path = "/api/v1/routes/" + id_of(made);
  ok("PATCH", path, R"({"enabled":false})");
  EXPECT_EQ(ok("GET", path).at("filter").as_string(), ".body.a") << "what is not given stays";
  ok("PATCH", path, R"({"filter":"","enabled":true})");
  EXPECT_EQ(ok("GET", path).at("filter").as_string(), "");
  EXPECT_EQ(ok("GET", path).at("transform").as_string(), "{b: .body.a}");
  const auto routes = catalog.current()->routes_by_source.at(SourceId::parse(source).value());
  EXPECT_EQ(routes.at(0)->transform, "{b: .body.a}");
}

TEST_F(RouteProgramsTest, AnUnsoundOneIsRefusedByNameAndReason) {
  const auto response = make_route(R"(,"filter":".a ==","transform":"nosuch")");
  EXPECT_EQ(response.status, 422);
  const auto errors = parsed(response).at("errors").as_array();
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].at("field").as_string(), "filter");
  EXPECT_NE(std::string(errors[0].at("message").as_string()).find("line 1"), std::string::npos) << errors[0];
  EXPECT_NE(std::string(errors[1].at("message").as_string()).find("nosuch/0 is not defined"),
            std::string::npos);
  EXPECT_EQ(make_route(R"(,"filter":1)").status, 422);
  EXPECT_EQ(make_route(",\"filter\":\"" + std::string(8193, ' ') + "\"").status, 422);
  EXPECT_TRUE(ok("GET", "/api/v1/routes").at("items").as_array().empty());
}

TEST_F(RouteProgramsTest, ABusyPoolIsSaidSo) {
  programs->stop();
  const auto response = make_route(R"(,"filter":"true")");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(code_of(response), "programs_busy");
  EXPECT_NE(http::find_header(response.headers, "Retry-After"), nullptr);
}

TEST_F(RouteProgramsTest, AreTriedOnASample) {
  const auto made =
      test(R"({"filter":".query.q == \"1\"","transform":"{a: .body.n, t: .event.type, h: .headers.x}",
                             "sample":{"body":{"n":1},"query":"q=1","type":"t","headers":{"X":"y"}}})");
  EXPECT_EQ(made.at("outcome").as_string(), "delivered");
  EXPECT_EQ(made.at("payload").at("body").as_string(), R"({"a":1,"t":"t","h":"y"})");
  EXPECT_EQ(made.at("input").at("body").at("n").as_int64(), 1);
  EXPECT_EQ(test(R"({"filter":"false"})").at("reason").as_string(), "filtered");
  const auto failed = test(R"({"transform":".body_text | error","sample":{"body_text":"why"}})");
  EXPECT_EQ(failed.at("outcome").as_string(), "failed");
  EXPECT_EQ(failed.at("reason").as_string(), "transform_failed: why");
  EXPECT_TRUE(failed.at("payload").is_null());
  EXPECT_EQ(call("POST", "/api/v1/routes/test", R"({"sample":{"bdoy":1}})").status, 422);
  EXPECT_EQ(
      call("POST", "/api/v1/routes/test", R"({"event_id":"evt_00000000000000000000000000","sample":{}})")
          .status,
      422);
  EXPECT_TRUE(ok("GET", "/api/v1/audit").at("items").as_array().size() == 2)
      << "the source and the destination";
}

TEST_F(RouteProgramsTest, AreTriedOnAStoredEventOfTheOwnWorkspaceOnly) {
  const std::string event = store_event(source, destination, R"({"n":7})");
  const std::string body =
      R"({"transform":"[.body.n, .event.id, .event.source]","event_id":")" + event + R"("})";
  EXPECT_EQ(test(body).at("payload").at("body").as_string(), fmt::format(R"([7,"{}","gh"])", event));
  EXPECT_EQ(call_as(other_key, "POST", "/api/v1/routes/test", body).status, 404);
}

TEST_F(RouteProgramsTest, AReplayUnderTheCurrentConfigurationRunsThem) {
  const std::string event = store_event(source, destination, R"({"n":7})");
  EXPECT_EQ(call("POST", "/api/v1/events/" + event + "/replay", R"({"configuration":"current"})").status, 409)
      << "no route";
  const auto route = parsed(make_route(R"(,"transform":"{m: .body.n}")"));
  const auto sent = delivery(replay_current(event));
  EXPECT_EQ(sent.at("state").as_string(), "pending");
  EXPECT_EQ(sent.at("payload").at("body").as_string(), R"({"m":7})");
  EXPECT_EQ(sent.at("payload_size").to_number<int>(), 7);
  EXPECT_FALSE(sent.at("replay_of").is_null());
  ok("PATCH", "/api/v1/routes/" + id_of(route), R"({"filter":".body.n | error","transform":""})");
  const auto failed = delivery(replay_current(event));
  EXPECT_EQ(failed.at("state").as_string(), "dead");
  EXPECT_TRUE(std::string_view(failed.at("reason").as_string()).starts_with("filter_failed: ")) << failed;
  ok("PATCH", "/api/v1/routes/" + id_of(route), R"({"filter":""})");
  EXPECT_TRUE(delivery(replay_current(event)).at("payload").is_null());
  EXPECT_EQ(
      call_as(other_key, "POST", "/api/v1/events/" + event + "/replay", R"({"configuration":"current"})")
          .status,
      404);
  EXPECT_EQ(call("POST", "/api/v1/events/" + event + "/replay", R"({"configuration":"new"})").status, 422);
}

TEST_F(RouteProgramsTest, AReplayUnderTheCurrentConfigurationCanNameADestination) {
  const std::string event = store_event(source, destination);
  make_route("");
  const std::string other = id_of(make_destination("elsewhere"));
  const auto replay = [&](const std::string& to) {
    return call("POST", "/api/v1/events/" + event + "/replay",
                R"({"configuration":"current","destination_id":")" + to + R"("})");
  };
  EXPECT_EQ(replay(destination).status, 201);
  EXPECT_EQ(code_of(replay(other)), "no_destination");
}

}  // namespace
}  // namespace postern::control
