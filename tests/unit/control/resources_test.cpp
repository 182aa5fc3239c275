#include "api_fixture.hpp"
#include "tunnel-proto/join_token.hpp"

namespace postern::control {
namespace {

class ResourcesTest : public ApiFixture {
 protected:
  std::size_t count(const std::string& kind) {
    return ok("GET", "/api/v1/" + kind).at("items").as_array().size();
  }
};

TEST_F(ResourcesTest, ASourceIsMadeChangedAndDeleted) {
  const auto source = make_source("gh");
  EXPECT_EQ(source.at("ingest_url").as_string(), "https://hooks.example/in/default/gh");
  EXPECT_EQ(source.at("secret_count").to_number<int>(), 1);
  EXPECT_FALSE(source.contains("secrets"));
  const std::string path = "/api/v1/sources/" + id_of(source);
  EXPECT_FALSE(ok("PATCH", path, R"({"enabled":false,"dedupe_window":"1h"})").at("enabled").as_bool());
  EXPECT_EQ(ok("GET", path).at("dedupe_window").as_string(), "1h");
  EXPECT_EQ(call("PATCH", path, R"({"provider":"stripe"})").status, 422);
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(call("GET", path).status, 404);
  EXPECT_EQ(call("DELETE", path).status, 404);
}

TEST_F(ResourcesTest, ASourcesRateLimitIsSetAndTakenBack) {
  const auto source = make_source("gh");
  EXPECT_TRUE(source.at("rate_limit").is_null());
  const std::string path = "/api/v1/sources/" + id_of(source);
  const auto limited = ok("PATCH", path, R"({"rate_limit":{"per_second":50}})").at("rate_limit");
  EXPECT_EQ(limited, boost::json::parse(R"({"per_second":50,"burst":50})"));
  EXPECT_EQ(catalog.current()->sources_by_path.at("default/gh")->rate_per_second, 50U);
  for (const char* wrong :
       {R"({"rate_limit":50})", R"({"rate_limit":{}})", R"({"rate_limit":{"per_second":0}})",
        R"({"rate_limit":{"per_second":1,"burst":-1}})", R"({"rate_limit":{"per_second":1,"bursts":1}})"}) {
    EXPECT_EQ(call("PATCH", path, wrong).status, 422) << wrong;
  }
  EXPECT_TRUE(ok("PATCH", path, R"({"rate_limit":null})").at("rate_limit").is_null());
}

TEST_F(ResourcesTest, ASourcesLastHourIsShownMinuteByMinute) {
  const auto source = make_source("gh");
  const auto id = SourceId::parse(id_of(source)).value();
  for (int i = 0; i < 3; ++i) activity.accepted(id);
  activity.refused(id);
  const auto shown = ok("GET", "/api/v1/sources/" + id_of(source) + "/activity");
  EXPECT_FALSE(shown.at("of_all_nodes").as_bool());
  const auto& minutes = shown.at("minutes").as_array();
  ASSERT_EQ(minutes.size(), 60U);
  std::int64_t accepted = 0, refused = 0;
  for (const auto& minute : minutes) {
    accepted += minute.at("accepted").to_number<std::int64_t>();
    refused += minute.at("refused").to_number<std::int64_t>();
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(call("GET", "/api/v1/sources/" + id_of(source) + "/activity?minutes=5").status, 400);
}

TEST_F(ResourcesTest, TheCatalogHasAWriteBeforeItsAnswer) {
  const auto source = make_source("gh");
  ASSERT_TRUE(catalog.current()->sources_by_path.contains("default/gh"));
  call("DELETE", "/api/v1/sources/" + id_of(source));
  EXPECT_FALSE(catalog.current()->sources_by_path.contains("default/gh"));
}

TEST_F(ResourcesTest, WrongFieldsAreNamedAllAtOnce) {
  const auto response =
      call("POST", "/api/v1/sources", R"({"name":"Not A Slug","enabled":"yes","secert":"x"})");
  EXPECT_EQ(response.status, 422);
  const auto problem = parsed(response);
  EXPECT_EQ(problem.at("status").to_number<int>(), 422);
  EXPECT_EQ(problem.at("type").as_string(), "urn:postern:problem:invalid_fields");
  std::set<std::string> fields;
  for (const auto& error : problem.at("errors").as_array()) fields.emplace(error.at("field").as_string());
  EXPECT_EQ(fields, (std::set<std::string>{"name", "provider", "enabled", "secert"}));
}

TEST_F(ResourcesTest, WhatTheRoomsBelowRefuseIsRefusedHere) {
  const std::pair<const char*, const char*> bodies[] = {
      {"sources", R"({"name":"a","provider":"githbu","secrets":["a secret of some length"]})"},
      {"sources", R"({"name":"a","provider":"github"})"},
      {"sources", R"({"name":"a","provider":"github","secrets":["x"],"unsigned":true})"},
      {"destinations", R"({"name":"a","kind":"http","url":"http://127.0.0.1/"})"},
      {"destinations", R"({"name":"a","kind":"http","url":"gopher://x/"})"},
      {"destinations", R"({"name":"a","kind":"agent","url":"http://localhost:8000/"})"},
      {"destinations",
       R"({"name":"a","kind":"agent","url":"http://x/","agent_id":"agt_00000000000000000000000000"})"},
      {"destinations", R"({"name":"a","kind":"pigeon","url":"http://x/"})"},
      {"destinations",
       R"({"name":"a","kind":"http","url":"https://example.com/","retry_schedule":["soon"]})"},
      {"routes",
       R"({"source_id":"src_00000000000000000000000000","destination_id":"dst_00000000000000000000000000"})"},
      {"agents", R"({})"}};
  for (const auto& [kind, body] : bodies) {
    EXPECT_EQ(call("POST", std::string("/api/v1/") + kind, body).status, 422) << body;
  }
  for (const char* kind : {"sources", "destinations", "routes", "agents"}) EXPECT_EQ(count(kind), 0u) << kind;
}

TEST_F(ResourcesTest, ANameIsTakenOnce) {
  make_source("gh");
  const auto again = call("POST", "/api/v1/sources",
                          R"({"name":"gh","provider":"github","secrets":["a secret of some length"]})");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(code_of(again), "name_taken");
}

TEST_F(ResourcesTest, ADestinationWhoseUrlIsNowForbiddenCanStillBeSwitchedOff) {
  egress = relay::EgressPolicy::from_config(std::vector<std::string>{"127.0.0.0/8"}).value();
  const auto made =
      ok("POST", "/api/v1/destinations", R"({"name":"d","kind":"http","url":"http://127.0.0.1:8000/"})");
  egress = relay::EgressPolicy();
  const std::string path = "/api/v1/destinations/" + id_of(made);
  EXPECT_EQ(call("PATCH", path, R"({"enabled":false})").status, 200);
  EXPECT_EQ(call("PATCH", path, R"({"url":"http://127.0.0.1:8001/"})").status, 422);
}

TEST_F(ResourcesTest, AReplayThatWouldDeliverNothingIsRefused) {
  const auto source = make_source("a"), destination = make_destination("b"), other = make_destination("c");
  const std::string path = "/api/v1/events/" + store_event(id_of(source), id_of(destination)) + "/replay";
  ASSERT_EQ(call("DELETE", "/api/v1/destinations/" + id_of(destination)).status, 204);
  EXPECT_EQ(code_of(call("POST", path)), "no_destination");
  EXPECT_EQ(call("POST", path, R"({"destination_id":")" + id_of(other) + "\"}").status, 201);
}

TEST_F(ResourcesTest, TwoIdempotencyKeysAreRefused) {
  const http::Headers twice{{"Idempotency-Key", "a"}, {"Idempotency-Key", "b"}};
  EXPECT_EQ(call("POST", "/api/v1/agents", R"({"name":"x"})", twice).status, 400);
}

TEST_F(ResourcesTest, TheSigningSecretIsShownOnceAndCanBeReplaced) {
  const auto made = make_destination("app");
  const std::string secret(made.at("signing_secret").as_string());
  EXPECT_TRUE(secret.starts_with("whsec_"));
  const std::string path = "/api/v1/destinations/" + id_of(made);
  EXPECT_FALSE(ok("GET", path).contains("signing_secret"));
  EXPECT_FALSE(ok("PATCH", path, R"({"concurrency":3})").contains("signing_secret"));
  const auto rotated = ok("PATCH", path, R"({"rotate_signing_secret":true})");
  EXPECT_NE(rotated.at("signing_secret").as_string(), secret);
  EXPECT_FALSE(ok("PATCH", path, R"({"signed":false})").at("signed").as_bool());
  EXPECT_EQ(call("PATCH", path, R"({"rotate_signing_secret":true})").status, 422);
  EXPECT_TRUE(ok("PATCH", path, R"({"signed":true})").contains("signing_secret"));
  EXPECT_GT(deliveries.wakes, 0);
}

TEST_F(ResourcesTest, ASlackUrlIsNeverShown) {
  const auto made =
      ok("POST", "/api/v1/destinations",
         R"({"name":"team","kind":"slack","url":"https://hooks.slack.com/services/T0/B0/SECRETPART"})");
  EXPECT_EQ(boost::json::serialize(made).find("SECRETPART"), std::string::npos);
  EXPECT_FALSE(made.contains("signing_secret"));
  EXPECT_EQ(call("GET", "/api/v1/audit").body.find("SECRETPART"), std::string::npos);
}

TEST_F(ResourcesTest, ANatsDestinationNeedsTheOperatorsNats) {
  const auto refused = call("POST", "/api/v1/destinations", R"({"name":"bus","kind":"nats"})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_NE(refused.body.find("nats.url"), std::string::npos);
  services->nats.configured = true;
  bool here = true;
  services->nats.connected = [&here] { return here; };
  const auto made = ok("POST", "/api/v1/destinations", R"({"name":"bus","kind":"nats"})");
  EXPECT_EQ(made.at("subject").as_string(), "postern.{workspace}.{source}.{type}");
  EXPECT_EQ(made.at("event_map"), boost::json::object());
  EXPECT_EQ(made.at("url").as_string(), "");
  EXPECT_FALSE(made.at("signed").as_bool());
  EXPECT_EQ(made.at("status").at("broker").as_string(), "connected");
  here = false;
  EXPECT_EQ(ok("GET", "/api/v1/destinations/" + id_of(made)).at("status").at("broker").as_string(), "away");
  services->nats = {};
  const std::string path = "/api/v1/destinations/" + id_of(made);
  EXPECT_FALSE(ok("PATCH", path, R"({"enabled":false})").at("enabled").as_bool());
  EXPECT_EQ(ok("GET", path).at("status").at("broker").as_string(), "not_configured");
}

TEST_F(ResourcesTest, ANatsDestinationStaysInItsWorkspacesSubjects) {
  services->nats.configured = true;
  const std::pair<const char*, const char*> wrong[] = {
      {R"("subject":"postern.other.{type}")", "postern.{workspace}."},
      {R"("subject":"postern.{workspace}.>")", "wildcards"},
      {R"("subject":"postern.{workspace}.{kind}")", "{domain}"},
      {R"("event_map":{"invoice.paid":"x"})", "stripe:invoice.paid"},
      {R"("event_map":{"stripe:invoice.paid":"a b"})", "order.created"},
      {R"("url":"nats://10.0.0.1:4222")", "nats.url"},
      {R"("signed":true)", "vouches"},
      {R"("agent_id":"agt_00000000000000000000000000")", "kind agent only"}};
  for (const auto& [field, says] : wrong) {
    const auto answer =
        call("POST", "/api/v1/destinations", fmt::format(R"({{"name":"bus","kind":"nats",{}}})", field));
    EXPECT_EQ(answer.status, 422) << field;
    EXPECT_NE(answer.body.find(says), std::string::npos) << answer.body;
  }
  const auto made = ok("POST", "/api/v1/destinations",
                       R"({"name":"bus","kind":"nats","event_map":{"stripe:invoice.paid":null}})");
  const std::string path = "/api/v1/destinations/" + id_of(made);
  EXPECT_TRUE(made.at("event_map").at("stripe:invoice.paid").is_null());
  EXPECT_EQ(ok("PATCH", path, R"({"event_map":{}})").at("event_map"), boost::json::object());
  EXPECT_EQ(ok("PATCH", path, R"({"subject":"postern.{workspace}.x.{domain}"})").at("subject").as_string(),
            "postern.{workspace}.x.{domain}");
  EXPECT_EQ(call("PATCH", path, R"({"subject":"elsewhere.x"})").status, 422);
}

TEST_F(ResourcesTest, SubjectsAreOfNatsOnlyAndUrlsOfAllOthers) {
  for (const char* body : {R"({"name":"a","kind":"http","url":"https://example.com/","subject":"x"})",
                           R"({"name":"a","kind":"http","url":"https://example.com/","event_map":{}})",
                           R"({"name":"a","kind":"http"})"}) {
    EXPECT_EQ(call("POST", "/api/v1/destinations", body).status, 422) << body;
  }
  const auto http = make_destination("plain");
  EXPECT_TRUE(http.at("subject").is_null());
  EXPECT_TRUE(http.at("status").at("broker").is_null());
}

TEST_F(ResourcesTest, TheSameKeyGivesTheSameAnswerAndOnlyOneThing) {
  const std::string body = R"({"name":"app","kind":"http","url":"https://example.com/"})";
  const http::Headers once{{"Idempotency-Key", "k-1"}};
  const auto first = call("POST", "/api/v1/destinations", body, once);
  const auto again = call("POST", "/api/v1/destinations", body, once);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(first.body, again.body);
  EXPECT_FALSE(http::find_header(first.headers, "Idempotency-Replayed"));
  EXPECT_TRUE(http::find_header(again.headers, "Idempotency-Replayed"));
  EXPECT_EQ(count("destinations"), 1u);
  const auto other = call("POST", "/api/v1/destinations",
                          R"({"name":"b","kind":"http","url":"https://example.com/"})", once);
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(code_of(other), "idempotency_mismatch");
  // Another workspace's same key is another key.
  EXPECT_EQ(call_as(other_key, "POST", "/api/v1/destinations", body, once).status, 201);
  EXPECT_EQ(call("POST", "/api/v1/destinations", body, {{"Idempotency-Key", "with blank"}}).status, 400);
}

TEST_F(ResourcesTest, AKeptAnswerIsSealed) {
  const auto first =
      call("POST", "/api/v1/destinations", R"({"name":"app","kind":"http","url":"https://example.com/"})",
           {{"Idempotency-Key", "k-1"}});
  const std::string secret(parsed(first).at("signing_secret").as_string());
  std::string kept;
  ASSERT_TRUE(relay::read_and_wait(*store->database, [&](relay::Transaction& tx) {
    kept =
        relay::IdempotencyRepository(tx).find(store->default_workspace.id, "k-1", clock.now()).value().body;
  }));
  EXPECT_FALSE(kept.empty());
  EXPECT_EQ(kept.find(secret), std::string::npos);
}

TEST_F(ResourcesTest, ARefusedCreateKeepsNoAnswer) {
  const http::Headers once{{"Idempotency-Key", "k-1"}};
  make_source("gh");
  const std::string body = R"({"name":"gh","provider":"github","secrets":["a secret of some length"]})";
  EXPECT_EQ(call("POST", "/api/v1/sources", body, once).status, 409);
  call("DELETE",
       "/api/v1/sources/" + id_of(ok("GET", "/api/v1/sources").at("items").as_array()[0].as_object()));
  EXPECT_EQ(call("POST", "/api/v1/sources", body, once).status, 201);
}

TEST_F(ResourcesTest, PagesFollowTheirCursorWithoutGapsOrRepeats) {
  for (int i = 0; i < 7; ++i) make_source("s" + std::to_string(i));
  std::vector<std::string> names;
  std::string cursor;
  do {
    const auto page = ok("GET", "/api/v1/sources?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(page.at("items").as_array().size(), 3u);
    for (const auto& item : page.at("items").as_array()) names.emplace_back(item.at("name").as_string());
    cursor = page.at("next_cursor").is_null() ? "" : std::string(page.at("next_cursor").as_string());
  } while (!cursor.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"s6", "s5", "s4", "s3", "s2", "s1", "s0"}));
  EXPECT_EQ(call("GET", "/api/v1/sources?limit=0").status, 400);
  EXPECT_EQ(call("GET", "/api/v1/sources?cursor=%00nonsense").status, 400);
  EXPECT_EQ(call("GET", "/api/v1/sources?cursor=nonsense").status, 400);
}

TEST_F(ResourcesTest, EveryWriteIsAudited) {
  const auto source = make_source("gh");
  ok("PATCH", "/api/v1/sources/" + id_of(source), R"({"enabled":false})");
  call("DELETE", "/api/v1/sources/" + id_of(source));
  const auto items = ok("GET", "/api/v1/audit").at("items").as_array();
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].at("action").as_string(), "source.deleted");
  EXPECT_EQ(items[2].at("action").as_string(), "source.created");
  EXPECT_EQ(std::string(items[2].at("object").as_string()), id_of(source));
  EXPECT_TRUE(std::string_view(items[2].at("actor").as_string()).starts_with("key_"));
  EXPECT_EQ(boost::json::serialize(items).find("a secret of some length"), std::string::npos);
}

TEST_F(ResourcesTest, AnAgentIsEnrolledOnceAndCutOffWhenRevoked) {
  const auto agent = ok("POST", "/api/v1/agents", R"({"name":"cellar"})");
  EXPECT_EQ(agent.at("state").as_string(), "enrolling");
  EXPECT_FALSE(agent.at("present").as_bool());
  const std::string path = "/api/v1/agents/" + id_of(agent);
  const auto made = ok("POST", path + "/enrollment", R"({"allow":["localhost:3000","[::1]:9"]})");
  const auto token = tunnel::parse_join_token(std::string(made.at("join_token").as_string()));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->host, "relay.example");
  EXPECT_EQ(token->port, 9700);
  EXPECT_EQ(token->pins, addresses.tunnel_pins);
  EXPECT_TRUE(
      std::string_view(made.at("command").as_string()).ends_with(" --allow localhost:3000 --allow [::1]:9"));
  EXPECT_EQ(call("POST", path + "/enrollment", R"({"allow":["x; rm -rf /"]})").status, 422);
  agents.here.insert(AgentId::parse(id_of(agent)).value());
  EXPECT_TRUE(ok("GET", path).at("present").as_bool());
  EXPECT_TRUE(ok("GET", path).at("node").is_null()) << "there is only one";
  EXPECT_EQ(ok("POST", path + "/revoke").at("state").as_string(), "revoked");
  ASSERT_EQ(agents.cut.size(), 1u);
  EXPECT_EQ(agents.cut[0].second, "revoked");
}

TEST_F(ResourcesTest, AnAgentThatADestinationNamesStays) {
  const auto agent = ok("POST", "/api/v1/agents", R"({"name":"cellar"})");
  ok("POST", "/api/v1/destinations",
     R"({"name":"app","kind":"agent","url":"http://localhost:8000/","agent_id":")" + id_of(agent) + R"("})");
  const auto refused = call("DELETE", "/api/v1/agents/" + id_of(agent));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code_of(refused), "in_use");
}

TEST_F(ResourcesTest, AnEventIsShownWithItsDeliveriesAndItsBytes) {
  const auto source = make_source("gh");
  const auto destination = make_destination("app");
  std::string body;
  for (int i = 0; i < 256; ++i) body += static_cast<char>(i);
  const std::string id = store_event(id_of(source), id_of(destination), body);
  const auto event = ok("GET", "/api/v1/events/" + id);
  EXPECT_EQ(event.at("body_size").to_number<int>(), 256);
  EXPECT_EQ(event.at("headers").as_array()[1].at("value").as_string(), "caf\xc3\xa9");
  ASSERT_EQ(event.at("deliveries").as_array().size(), 1u);
  const auto raw = call("GET", "/api/v1/events/" + id + "/body");
  EXPECT_EQ(raw.body, body);
  EXPECT_EQ(*http::find_header(raw.headers, "Content-Type"), "text/html");
  EXPECT_EQ(*http::find_header(raw.headers, "X-Content-Type-Options"), "nosniff");
  EXPECT_TRUE(http::find_header(raw.headers, "Content-Disposition")->starts_with("attachment"));
  EXPECT_EQ(ok("GET", "/api/v1/events?type=push&status=pending&source_id=" + id_of(source))
                .at("items")
                .as_array()
                .size(),
            1u);
  EXPECT_EQ(ok("GET", "/api/v1/events?type=pull").at("items").as_array().size(), 0u);
  EXPECT_EQ(call("GET", "/api/v1/events?status=lost").status, 400);
}

TEST_F(ResourcesTest, ReplayAndRetryMakeDeliveriesDueAndWakeTheDispatcher) {
  const auto source = make_source("gh");
  const auto destination = make_destination("app");
  const std::string id = store_event(id_of(source), id_of(destination));
  const auto replayed = ok("POST", "/api/v1/events/" + id + "/replay");
  ASSERT_EQ(replayed.at("delivery_ids").as_array().size(), 1u);
  const std::string delivery(replayed.at("delivery_ids").as_array()[0].as_string());
  const auto shown = ok("GET", "/api/v1/deliveries/" + delivery);
  EXPECT_EQ(shown.at("state").as_string(), "pending");
  EXPECT_TRUE(shown.at("attempts").as_array().empty());
  const int before = deliveries.wakes;
  EXPECT_EQ(ok("POST", "/api/v1/deliveries/" + delivery + "/retry").at("delivery_id").as_string(), delivery);
  EXPECT_GT(deliveries.wakes, before);
  EXPECT_EQ(ok("GET", "/api/v1/deliveries?event_id=" + id).at("items").as_array().size(), 2u);
}

}  // namespace
}  // namespace postern::control
