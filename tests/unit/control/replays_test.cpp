#include "api_fixture.hpp"

#include "relay/replay/step.hpp"
#include "relay/store/retention_repository.hpp"

namespace postern::control {
namespace {

class ReplaysTest : public ApiFixture {
 protected:
  ReplaysTest() {
    source = id_of(make_source("gh"));
    destination = id_of(make_destination("app"));
  }
  std::string dead(std::string_view reason = "http_500") {
    const std::string event = store_event(source, destination);
    change("UPDATE delivery SET state = 4, reason = '" + std::string(reason) + "' WHERE state = 0");
    return event;
  }
  void change(const std::string& sql) {
    EXPECT_TRUE(relay::write_and_wait(*store->database, [&](relay::Transaction& tx) -> Result<void> {
      auto done = tx.execute(sql);
      return done ? Result<void>() : std::unexpected(done.error());
    }));
  }
  std::string source, destination;
};

TEST_F(ReplaysTest, ADryRunSaysHowManyAndMakesNothing) {
  for (int i = 0; i < 7; ++i) dead();
  const auto dry = ok("POST", "/api/v1/replays", R"({"dry_run":true,"source_id":")" + source + R"("})");
  EXPECT_EQ(dry.at("matching").as_int64(), 7);
  EXPECT_EQ(dry.at("sample").as_array().size(), 5U);
  EXPECT_FALSE(dry.at("matching_is_least").as_bool());
  EXPECT_TRUE(ok("GET", "/api/v1/replays").at("items").as_array().empty());
}

TEST_F(ReplaysTest, OneIsCreatedOnceShownListedAndCancelled) {
  dead();
  const http::Headers once{{"Idempotency-Key", "k"}};
  const auto first = call("POST", "/api/v1/replays", R"({"rate":7})", once);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(call("POST", "/api/v1/replays", R"({"rate":7})", once).body, first.body);
  const std::string id = id_of(parsed(first));
  EXPECT_EQ(ok("GET", "/api/v1/replays").at("items").as_array().size(), 1U);
  const auto shown = ok("GET", "/api/v1/replays/" + id);
  EXPECT_EQ(shown.at("state"), "running");
  EXPECT_EQ(shown.at("rate").as_int64(), 7);
  EXPECT_EQ(shown.at("estimate").as_int64(), 1);
  EXPECT_EQ(shown.at("filter").as_object().at("state"), "dead");
  EXPECT_EQ(ok("POST", "/api/v1/replays/" + id + "/cancel").at("state"), "cancelled");
  const auto again = call("POST", "/api/v1/replays/" + id + "/cancel");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(code_of(again), "not_running");
}

TEST_F(ReplaysTest, TheCurrentConfigurationFindsWhatProgramsSettled) {
  dead("transform_failed: no key");
  dead("http_500");
  const auto matching = [&](const std::string& configuration) {
    const auto dry =
        ok("POST", "/api/v1/replays", R"({"dry_run":true,"configuration":")" + configuration + R"("})");
    EXPECT_EQ(dry.at("configuration").as_string(), configuration);
    return dry.at("matching").as_int64();
  };
  EXPECT_EQ(matching("original"), 1);
  EXPECT_EQ(matching("current"), 2);
  const auto made =
      call("POST", "/api/v1/replays", R"({"configuration":"current","reason":"transform_failed"})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(parsed(made).at("estimate").as_int64(), 1);
  const auto shown = ok("GET", "/api/v1/replays/" + id_of(parsed(made)));
  EXPECT_EQ(shown.at("configuration"), "current");
  EXPECT_EQ(shown.at("skipped").at("no_route").as_int64(), 0);
}

TEST_F(ReplaysTest, OneThatRunsSaysThatTheLoadHoldsItBack) {
  dead();
  const std::string id = id_of(parsed(call("POST", "/api/v1/replays", "{}")));
  EXPECT_FALSE(ok("GET", "/api/v1/replays/" + id).at("held_back").as_bool());
  shedding.set(relay::LoadLevel::no_replays);
  EXPECT_TRUE(ok("GET", "/api/v1/replays/" + id).at("held_back").as_bool());
  EXPECT_EQ(code_of(call("POST", "/api/v1/replays", "{}")), "overloaded");
  EXPECT_FALSE(ok("POST", "/api/v1/replays/" + id + "/cancel").at("held_back").as_bool()) << "it is over";
}

TEST_F(ReplaysTest, WhatCannotBeDoneIsRefusedByField) {
  const std::pair<std::string, std::string> wrong[] = {
      {"state", R"({"state":"pending"})"},
      {"configuration", R"({"configuration":"newest"})"},
      {"rate", R"({"rate":0})"},
      {"rate", R"({"rate":1001})"},
      {"since", R"({"since":"yesterday"})"},
      {"since", R"({"since":"2999-01-01T00:00:00Z"})"},
      {"source_id", R"({"source_id":"src_00000000000000000000000000"})"},
      {"destination_id", R"({"destination_id":"dst_00000000000000000000000000"})"},
      {"stat", R"({"stat":"dead"})"}};
  for (const auto& [field, body] : wrong) {
    const auto response = call("POST", "/api/v1/replays", body);
    EXPECT_EQ(response.status, 422) << body;
    EXPECT_EQ(parsed(response).at("errors").as_array().at(0).as_object().at("field").as_string(), field)
        << response.body;
  }
}

TEST_F(ReplaysTest, DeliveriesAreFilteredAndCountedByReason) {
  dead("http_500");
  dead("http_500");
  dead("http_422");
  const auto count = [&](const std::string& query) {
    return ok("GET", "/api/v1/deliveries?" + query).at("items").as_array().size();
  };
  EXPECT_EQ(count("state=dead&reason=http_500"), 2U);
  EXPECT_EQ(count("source_id=" + source), 3U);
  EXPECT_EQ(count("type=push"), 3U);
  EXPECT_EQ(count("type=pull"), 0U);
  EXPECT_EQ(count("since=2999-01-01T00:00:00Z"), 0U);
  EXPECT_EQ(count("until=2000-01-01T00:00:00Z"), 0U);
  const auto summary = ok("GET", "/api/v1/deliveries/summary").at("items").as_array();
  ASSERT_EQ(summary.size(), 2U);
  EXPECT_EQ(summary[0].as_object().at("reason"), "http_500");
  EXPECT_EQ(summary[0].as_object().at("count").as_int64(), 2);
  EXPECT_EQ(ok("GET", "/api/v1/deliveries/summary?reason=http_422").at("items").as_array().size(), 1U);
  EXPECT_EQ(call("GET", "/api/v1/deliveries/summary?state=pending").status, 400);
}

TEST_F(ReplaysTest, ABodyPastItsRetentionIsGoneAndNotSentAgain) {
  const std::string event = dead();
  change("UPDATE event SET body = zeroblob(0), body_expired = 1");
  const auto body = call("GET", "/api/v1/events/" + event + "/body");
  EXPECT_EQ(body.status, 410);
  EXPECT_EQ(code_of(body), "body_expired");
  EXPECT_TRUE(ok("GET", "/api/v1/events/" + event).at("body_expired").as_bool());
  const auto tried =
      call("POST", "/api/v1/routes/test", R"({"event_id":")" + event + R"(","filter":".body == null"})");
  EXPECT_EQ(code_of(tried), "body_expired");
  const auto replay = call("POST", "/api/v1/events/" + event + "/replay");
  EXPECT_EQ(replay.status, 410);
  EXPECT_EQ(code_of(replay), "body_expired");
}

TEST_F(ReplaysTest, RetentionIsTheRelaysUntilAWorkspaceHasItsOwn) {
  const auto before = ok("GET", "/api/v1/workspace/retention");
  EXPECT_EQ(before.at("bodies"), "30d");
  EXPECT_EQ(before.at("events"), "90d");
  EXPECT_TRUE(before.at("own").as_object().at("bodies").is_null());
  const auto after = ok("PATCH", "/api/v1/workspace/retention", R"({"bodies":"1d","events":"0"})");
  EXPECT_EQ(after.at("bodies"), "1d");
  EXPECT_EQ(after.at("events"), "0");
  EXPECT_EQ(after.at("attempts"), "90d");
  EXPECT_EQ(ok("GET", "/api/v1/workspace/retention"), after);
  EXPECT_EQ(parsed(call_as(other_key, "GET", "/api/v1/workspace/retention")), before);
  const auto back = ok("PATCH", "/api/v1/workspace/retention", R"({"bodies":null})");
  EXPECT_EQ(back.at("bodies"), "30d");
  EXPECT_EQ(back.at("events"), "0");
  for (const char* wrong :
       {R"({"bodies":"1s"})", R"({"events":7})", R"({"body":"1d"})", R"({"attempts":"x"})"})
    EXPECT_EQ(call("PATCH", "/api/v1/workspace/retention", wrong).status, 422) << wrong;
}

}  // namespace
}  // namespace postern::control
