#include "relay/ingest/ingest_handler.hpp"

#include "ingest_fixture.hpp"

namespace postern::relay {
namespace {

std::string code_of(const http::Response& response) {
  return boost::json::parse(response.body).at("code").as_string().c_str();
}

TEST_F(Ingest, AnswersANewEventAfterItIsStored) {
  const http::Response response = ask(github(R"({"ref":"main"})", "d-1"));
  ASSERT_EQ(log.appended.size(), 1U);
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body,
            R"({"event_id":")" + log.appended[0].event->id.to_string() + R"(","duplicate":false})");
  EXPECT_EQ(*http::find_header(response.headers, "Content-Type"), "application/json");
  EXPECT_EQ(requests("github", "accepted"), 1);
}

TEST_F(Ingest, KeepsTheRequestAsItCame) {
  std::string body(256, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i);
  http::Request request = github(body, "d-1");
  request.target += "/a%2Fb?x=1&x=%20";
  request.headers.push_back({"COOKIE", "a=b"});
  request.headers.push_back({"x-twice", "1"});
  request.headers.push_back({"X-Twice", "2"});
  const http::Headers headers = request.headers;
  const char* const bytes = request.body.data();
  EXPECT_EQ(ask_whole(std::move(request)).status, 202);
  const Event& event = *log.appended.at(0).event;
  EXPECT_EQ(event.body, body);
  EXPECT_EQ(static_cast<const void*>(event.body.data()), bytes) << "moved, not copied";
  EXPECT_EQ(event.headers, headers);
  EXPECT_EQ(event.target, "/in/default/github/a%2Fb?x=1&x=%20");
  EXPECT_EQ(event.method, "POST");
  EXPECT_EQ(event.peer, "192.0.2.1:4711");
  EXPECT_EQ(event.received_at, clock.now());
  EXPECT_EQ(event.workspace_id, workspace);
  EXPECT_EQ(event.source_id, sources["github"].id);
  EXPECT_EQ(event.type, "push");
  EXPECT_EQ(event.dedupe_key, "d-1");
  EXPECT_TRUE(event.verified);
  EXPECT_EQ(log.appended[0].dedupe_window, sources["github"].dedupe_window);
}

TEST_F(Ingest, MakesEachDeliveryUnderTheKeyOfItsDestination) {
  Destination by_key, whole;
  by_key.id = add_route("github");
  by_key.ordering = Ordering::key;
  by_key.ordering_key = "/id";
  whole.id = add_route("github");
  whole.ordering = Ordering::destination;
  const DestinationId free = add_route("github");
  destinations = {by_key, whole};
  publish();
  EXPECT_EQ(ask(github(R"({"id":"a"})", "d-1")).status, 202);
  EXPECT_EQ(ask(github(R"({"id":"b"})", "d-2")).status, 202);
  const auto key = [&](std::size_t event, DestinationId to) {
    const auto& made = log.appended.at(event).deliveries;
    return std::ranges::find(made, to, &NewDelivery::destination_id)->order_key;
  };
  EXPECT_GE(key(0, by_key.id), kLeastValueKey);
  EXPECT_NE(key(0, by_key.id), key(1, by_key.id));
  EXPECT_EQ(key(0, whole.id), kWholeDestination);
  EXPECT_EQ(key(1, whole.id), kWholeDestination);
  EXPECT_EQ(key(0, free), kNoOrder);
}

TEST_F(Ingest, AnswersADuplicateWithTheFirstId) {
  const http::Response first = ask(github("{}", "d-1"));
  const http::Response second = ask(github("{ }", "d-1"));
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.body,
            R"({"event_id":")" + log.appended[0].event->id.to_string() + R"(","duplicate":true})");
  EXPECT_EQ(ask(github("{}", "d-2")).status, 202);
  EXPECT_EQ(requests("github", "duplicate"), 1);
}

TEST_F(Ingest, GivesChargifyTheOnlyAnswerItTakes) {
  const std::string body = "id=1&event=payment_success";
  const http::Headers headers = {
      {"X-Chargify-Webhook-Signature-Hmac-Sha-256", hex_encode(hmac_sha256(kSecret, body))}};
  EXPECT_EQ(ask(post("/in/default/chargify", body, headers)).status, 200);
  EXPECT_EQ(ask(post("/in/default/chargify", body, headers)).status, 200);
  EXPECT_EQ(log.appended[0].event->type, "payment_success");
}

TEST_F(Ingest, KnowsNoOtherPath) {
  const http::Response unknown = ask(post("/in/default/nobody", "{}"));
  EXPECT_EQ(unknown.status, 404);
  for (const char* target :
       {"/", "/in", "/in/", "/in/default", "/in/default/", "/in//github", "/in/default//github",
        "/IN/default/github", "/in/default/GitHub", "/in/default/git%68ub", "/in/other/github",
        "/in/default/off", "/in/default/off/topic", "*", "", "//in/default/github"}) {
    const http::Response response = ask(post(target, "{}"));
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_EQ(response.body, unknown.body) << target;
    EXPECT_EQ(response.headers, unknown.headers) << target;
  }
  EXPECT_TRUE(log.appended.empty());
  EXPECT_EQ(count("postern_ingest_unknown_total"), 17);
}

TEST_F(Ingest, TakesPostOnly) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"}) {
    for (const char* target : {"/in/default/github", "/in/default/nobody"}) {
      http::Request request = github("{}");
      request.method = method;
      request.target = target;
      const http::Response response = ask(std::move(request));
      EXPECT_EQ(response.status, 405) << method;
      EXPECT_EQ(*http::find_header(response.headers, "Allow"), "POST");
    }
  }
}

TEST_F(Ingest, LetsTheServerHoldTheSourcesBodyLimit) {
  sources["github"].body_limit_bytes = 12345;
  publish();
  const auto decision = handler->on_head(post("/in/default/github", ""));
  EXPECT_EQ(std::get<http::ReadBody>(decision).limit_bytes, 12345U);
}

TEST_F(Ingest, RefusesWithADiagnosis) {
  http::Request missing = github("{}");
  missing.headers.clear();
  http::Request malformed = github("{}");
  malformed.headers[0].value = "sha1=00";
  http::Request forged = github("{}", "d-1", "not the secret");
  const std::vector<std::pair<http::Request, std::string>> cases = {
      {missing, "missing_header"}, {malformed, "malformed_signature"}, {forged, "no_matching_secret"}};
  for (const auto& [request, code] : cases) {
    const http::Response response = ask(request);
    EXPECT_EQ(response.status, 401);
    EXPECT_EQ(code_of(response), code);
    EXPECT_FALSE(boost::json::parse(response.body).as_object().contains("skew_seconds"));
    EXPECT_NE(http::find_header(response.headers, "WWW-Authenticate"), nullptr);
    EXPECT_EQ(requests("github", code), 1);
    const AuditEntry& entry = audit.back();
    EXPECT_EQ(entry.action, "ingest.refused");
    EXPECT_EQ(entry.actor, "provider");
    EXPECT_EQ(entry.object, sources["github"].id.to_string());
    EXPECT_EQ(entry.workspace_id, workspace);
    EXPECT_EQ(boost::json::parse(entry.detail_json).at("code").as_string(), code);
    EXPECT_EQ(boost::json::parse(entry.detail_json).at("peer").as_string(), "192.0.2.1:4711");
  }
  EXPECT_TRUE(log.appended.empty());
}

TEST_F(Ingest, TellsTheSkewOfAStaleSignature) {
  http::Request request = slack("{}", clock);
  clock.advance(std::chrono::seconds(301));
  const http::Response response = ask(request);
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(
      response.body,
      R"({"code":"timestamp_out_of_tolerance","message":"the signature is 301 s old; 300 s are allowed",)"
      R"("skew_seconds":301})");
  EXPECT_EQ(boost::json::parse(audit.at(0).detail_json).at("skew_seconds").as_int64(), 301);
}

TEST_F(Ingest, AForgedRequestNeverTakesAnIdInAdvance) {
  EXPECT_EQ(ask(github("{}", "d-1", "not the secret")).status, 401);
  EXPECT_EQ(ask(github("{}", "d-1")).status, 202);
}

TEST_F(Ingest, LimitsTheAuditOfAFloodAndCountsTheRest) {
  const http::Request forged = github("{}", "d-1", "not the secret");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(forged).status, 401);
  EXPECT_EQ(audit.size(), 10U);
  EXPECT_EQ(requests("github", "no_matching_secret"), 100);
  EXPECT_EQ(count("postern_ingest_audit_left_out_total"), 90);
  http::Request other = slack("{}", clock);
  other.body += " ";
  ask(other);
  EXPECT_EQ(audit.size(), 11U) << "another source has its own allowance";
  clock.advance(std::chrono::seconds(5));
  ask(forged);
  ask(forged);
  EXPECT_EQ(audit.size(), 12U);
  EXPECT_EQ(boost::json::parse(audit.back().detail_json).at("left_out_before").as_int64(), 90);
}

TEST_F(Ingest, AnUnsignedSourceTakesAnythingAndSaysSo) {
  EXPECT_EQ(ask(post("/in/default/open", R"({"id":"evt_1","type":"a.b"})")).status, 202);
  EXPECT_EQ(
      ask(post("/in/default/open", R"({"id":"evt_1","type":"a.b"})", {{"Stripe-Signature", "x"}})).status,
      200);
  EXPECT_FALSE(log.appended.at(0).event->verified);
  EXPECT_EQ(log.appended[0].event->dedupe_key, "evt_1");
}

TEST_F(Ingest, TheTopicIsTheTypeOfAnEventWithoutOne) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"", ""},
                                                                  {"/", ""},
                                                                  {"/orders/create", "orders/create"},
                                                                  {"/orders%2Fcreate", "orders/create"},
                                                                  {"/a/", "a"},
                                                                  {"/a%zz", ""},
                                                                  {"/a%00b", ""},
                                                                  {"/%0a", ""},
                                                                  {"/a?b=c", "a"}};
  for (const auto& [topic, type] : cases) {
    EXPECT_EQ(ask(post("/in/default/open" + topic, "no json " + topic)).status, 202);
    EXPECT_EQ(log.appended.back().event->type, type) << topic;
  }
  ask(post("/in/default/open/topic", R"({"type":"its.own"})"));
  EXPECT_EQ(log.appended.back().event->type, "its.own");
}

TEST_F(Ingest, OwesEachDestinationOneDelivery) {
  const DestinationId one = add_route("github");
  const DestinationId two = add_route("github");
  add_route("github", one);
  add_route("github", {}, false);
  add_route("stripe");
  publish();
  ask(github("{}", "d-1"));
  const auto& deliveries = log.appended.at(0).deliveries;
  ASSERT_EQ(deliveries.size(), 2U);
  EXPECT_EQ(deliveries[0].destination_id, one);
  EXPECT_EQ(deliveries[1].destination_id, two);
  EXPECT_NE(deliveries[0].id, deliveries[1].id);
}

TEST_F(Ingest, SeesAChangedCatalogAtOnce) {
  EXPECT_EQ(ask(github("{}", "d-1")).status, 202);
  sources["github"].secrets = {"the next signing secret"};
  publish();
  EXPECT_EQ(ask(github("{}", "d-2")).status, 401);
  EXPECT_EQ(ask(github("{}", "d-2", "the next signing secret")).status, 202);
  sources["github"].secrets.push_back(std::string(kSecret));
  publish();
  EXPECT_EQ(ask(github("{}", "d-3")).status, 202);
  sources["github"].enabled = false;
  publish();
  EXPECT_EQ(ask(github("{}", "d-4")).status, 404);
  EXPECT_EQ(ask_whole(github("{}", "d-4")).status, 404) << "switched off while the body came in";
}

TEST_F(Ingest, NeverAcceptsForASourceItCannotRead) {
  add_source("broken", "generic-hmac").scheme_json = R"({"header":7})";
  add_source("foreign", "a provider of a later version");
  add_source("naked", "github").secrets.clear();
  publish();
  for (const char* name : {"broken", "foreign", "naked"}) {
    const http::Response response = ask(post(std::string("/in/default/") + name, "{}"));
    EXPECT_EQ(response.status, 503) << name;
    EXPECT_EQ(code_of(response), "source_unusable");
  }
  EXPECT_TRUE(log.appended.empty());
  EXPECT_EQ(requests("none", "misconfigured"), 1);
}

TEST_F(Ingest, AnswersSlacksHandshakeOnlyWhenSigned) {
  const std::string body = R"({"type":"url_verification","challenge":"abc123"})";
  const http::Response response = ask(slack(body, clock));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "abc123");
  EXPECT_EQ(requests("slack", "handshake"), 1);
  http::Request forged = slack(body, clock);
  forged.headers.back().value.back() ^= 1;
  EXPECT_EQ(ask(forged).status, 401);
  EXPECT_TRUE(log.appended.empty()) << "a handshake is no event";
}

TEST_F(Ingest, AsksTheSenderBackWhenTheStoreCannot) {
  const std::vector<std::pair<FakeEventLog::Mode, std::string>> cases = {
      {FakeEventLog::Mode::busy, "store_busy"}, {FakeEventLog::Mode::failed, "store_failed"}};
  for (const auto& [mode, code] : cases) {
    log.mode = mode;
    const http::Response response = ask(github("{}", "d-1"));
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(code_of(response), code);
    EXPECT_NE(http::find_header(response.headers, "Retry-After"), nullptr);
    EXPECT_EQ(requests("github", code), 1);
  }
  log.mode = FakeEventLog::Mode::commit;
  EXPECT_EQ(ask(github("{}", "d-1")).status, 202);
}

TEST_F(Ingest, ProgramsOfRoutesDecideBeforeTheCommit) {
  add_route("github");
  const DestinationId kept = add_route("github");
  routes.back().filter = ".body.n == 1";
  add_route("github");
  routes.back().filter = ".event.type == \"issues\"";
  add_route("github");
  routes.back().transform = "{to: .event.source, by: .event.provider}";
  add_route("github");
  routes.back().filter = ".body | error";
  publish();
  EXPECT_EQ(ask(github(R"({"n":1})", "d-1")).status, 202);
  const auto& deliveries = log.appended.at(0).deliveries;
  ASSERT_EQ(deliveries.size(), 5U);
  EXPECT_FALSE(deliveries[0].decided || deliveries[0].payload);
  EXPECT_EQ(deliveries[1].destination_id, kept);
  EXPECT_FALSE(deliveries[1].decided || deliveries[1].payload);
  EXPECT_EQ(deliveries[2].decided->reason, "filtered");
  EXPECT_EQ(deliveries[3].payload->body, R"({"to":"github","by":"github"})");
  EXPECT_EQ(deliveries[4].decided->state, DeliveryState::dead);
  EXPECT_TRUE(deliveries[4].decided->reason.starts_with("filter_failed: ")) << deliveries[4].decided->reason;
  EXPECT_EQ(log.appended[0].event->body, R"({"n":1})");
}

TEST_F(Ingest, AsksNoProgramsOfWhatIsNotBelieved) {
  add_route("github");
  routes.back().filter = "true";
  publish();
  EXPECT_EQ(ask(github("{}", "d-1", "another secret")).status, 401);
  EXPECT_TRUE(programs->pids().empty());
  EXPECT_EQ(ask(github("{}", "d-1")).status, 202);
  EXPECT_FALSE(programs->pids().empty());
}

TEST_F(Ingest, AsksTheSenderBackWhenProgramsFindNoTurn) {
  add_route("github");
  routes.back().filter = "true";
  publish();
  programs->stop();
  const http::Response response = ask(github("{}", "d-1"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(code_of(response), "programs_busy");
  EXPECT_NE(http::find_header(response.headers, "Retry-After"), nullptr);
  EXPECT_EQ(requests("github", "programs_busy"), 1);
  EXPECT_TRUE(log.appended.empty());
}

TEST_F(Ingest, TakesNothingWhileStorageIsLow) {
  allowed = false;
  const http::Response at_head = ask(github("{}", "d-1"));
  const http::Response behind_body = ask_whole(github("{}", "d-1"));
  for (const http::Response& response : {at_head, behind_body}) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(code_of(response), "storage_low");
    EXPECT_NE(http::find_header(response.headers, "Retry-After"), nullptr);
  }
  EXPECT_TRUE(log.appended.empty());
  EXPECT_EQ(ask(post("/in/default/nobody", "{}")).status, 404);
}

}  // namespace
}  // namespace postern::relay
