#include "api_fixture.hpp"
#include "control/api/openapi.hpp"

namespace postern::control {
namespace {

class AdminHandlerTest : public ApiFixture {};

TEST_F(AdminHandlerTest, TellsAnUnknownPathFromAWrongMethod) {
  const auto unknown = call("GET", "/api/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  for (const char* path : {"/api/v1/sources/", "/api/v1//sources", "/api/v1/sources/a/b", "/api/v1", "//"}) {
    EXPECT_EQ(call("GET", path).status, 404) << path;
  }
  const auto wrong = call("PUT", "/api/v1/sources/x");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(*http::find_header(wrong.headers, "Allow"), "GET, PATCH, DELETE");
  EXPECT_EQ(call("POST", "/health").status, 405);
}

TEST_F(AdminHandlerTest, EveryRouteOfTheTableWantsAKey) {
  for (const Endpoint& endpoint : endpoints()) {
    const auto response =
        call_openly(std::string(endpoint.method), std::string(endpoint.pattern), "192.0.2.1:1");
    EXPECT_TRUE(response.status == 401 || response.status == 429) << endpoint.pattern;
    EXPECT_EQ(*http::find_header(response.headers, "Content-Type"), "application/problem+json");
  }
}

TEST_F(AdminHandlerTest, OnlyARightKeyIsLetIn) {
  EXPECT_EQ(call("GET", "/api/v1/sources").status, 200);
  std::string typo = key;
  typo.back() = typo.back() == '0' ? '1' : '0';
  EXPECT_EQ(call_as(typo, "GET", "/api/v1/sources").status, 401);
  EXPECT_EQ(call_as(make_api_key(ids.of<KeyId>(), random), "GET", "/api/v1/sources").status, 401);
  EXPECT_EQ(call_as("", "GET", "/api/v1/sources").status, 401);
  // Two headers: which one counts is nobody's guess.
  EXPECT_EQ(call("GET", "/api/v1/sources", "", {{"Authorization", "Bearer " + key}}).status, 401);
}

TEST_F(AdminHandlerTest, FailuresAreLimitedByAddressAndARightKeyStillWorks) {
  int limited = 0;
  for (int i = 0; i < 30; ++i)
    limited += call_openly("GET", "/api/v1/sources", "192.0.2.9:77").status == 429 ? 1 : 0;
  EXPECT_GE(limited, 15);
  EXPECT_EQ(call("GET", "/api/v1/sources").status, 200);  // the same address
  EXPECT_EQ(call_openly("GET", "/api/v1/sources", "192.0.2.10:77").status, 401);
}

TEST_F(AdminHandlerTest, HealthSaysWhichCheckFails) {
  EXPECT_EQ(call_openly("GET", "/health/live").status, 200);
  EXPECT_EQ(call_openly("GET", "/health/ready").status, 503);
  health.set_serving();
  EXPECT_EQ(call_openly("GET", "/health/ready").status, 200);
  EXPECT_EQ(call_openly("GET", "/health").status, 200);
  bool full = true;
  health.add("disk", [&]() -> Result<void> {
    if (full) return fail("disk_full", "The disk is full.");
    return {};
  });
  const auto failing = call_openly("GET", "/health/ready");
  EXPECT_EQ(failing.status, 503);
  const auto checks = parsed(failing).at("checks").as_object();
  EXPECT_FALSE(checks.at("disk").as_object().at("ok").as_bool());
  EXPECT_EQ(checks.at("disk").as_object().at("code").as_string(), "disk_full");
  full = false;
  EXPECT_EQ(call_openly("GET", "/health/ready").status, 200);
  health.set_draining();
  EXPECT_EQ(call_openly("GET", "/health/ready").status, 503);
  EXPECT_EQ(call_openly("GET", "/health/live").status, 200);
}

TEST_F(AdminHandlerTest, OpenPathsAnswerWithoutAKey) {
  health.set_serving();
  for (const std::string_view path : open_paths()) {
    EXPECT_EQ(call_openly("GET", std::string(path)).status, 200) << path;
  }
  EXPECT_EQ(call_openly("GET", "/api/v1/openapi.yaml").body, openapi_yaml());
  const EventId event = ids.of<EventId>();
  EXPECT_NE(call_openly("GET", "/events/" + event.to_string()).body.find(event.to_string()),
            std::string::npos);
  EXPECT_EQ(call_openly("GET", "/events/evt_nonsense").status, 404);
}

/// The document's operations, read from its layout: paths at two blanks, methods at four.
std::set<std::string> documented() {
  std::set<std::string> operations;
  std::string path;
  bool inside = false;
  std::string_view text = openapi_yaml();
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line[0] != ' ') inside = line == "paths:";
    if (!inside) continue;
    if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
    for (const std::string_view method : {"get", "post", "patch", "delete", "put"}) {
      if (line != "    " + std::string(method) + ":") continue;
      std::string upper(method);
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      operations.insert(upper + " " + path);
    }
  }
  return operations;
}

TEST_F(AdminHandlerTest, TheDocumentAndTheTableAgreeBothWays) {
  std::set<std::string> served;
  for (const Endpoint& endpoint : endpoints()) {
    served.insert(std::string(endpoint.method) + " " + std::string(endpoint.pattern));
  }
  for (const std::string_view path : open_paths()) served.insert("GET " + std::string(path));
  served.insert("GET /events/{id}");
  EXPECT_EQ(documented(), served);
}

TEST_F(AdminHandlerTest, UnderLoadWhatAnOperatorNeedsIsStillThere) {
  const std::string source = id_of(make_source("gh")), destination = id_of(make_destination("app"));
  const std::string event = store_event(source, destination);
  shedding.set(relay::LoadLevel::no_events);
  for (const std::string path : {"events", "deliveries", "deliveries/summary", "audit"}) {
    const auto response = call("GET", "/api/v1/" + path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(code_of(response), "overloaded");
    EXPECT_EQ(*http::find_header(response.headers, "Retry-After"), "5");
  }
  EXPECT_EQ(call("POST", "/api/v1/replays", "{}").status, 503);
  EXPECT_EQ(call("GET", "/health/live").status, 200);
  EXPECT_EQ(call("GET", "/metrics").status, 200);
  for (const std::string path : {"sources", "destinations", "routes", "agents", "replays"})
    EXPECT_EQ(call("GET", "/api/v1/" + path).status, 200) << path;
  EXPECT_EQ(call("GET", "/api/v1/events/" + event).status, 200);
  EXPECT_EQ(call("PATCH", "/api/v1/destinations/" + destination, R"({"enabled":false})").status, 200);
  EXPECT_EQ(call("POST", "/api/v1/destinations/" + destination + "/breaker/reset").status, 204);
}

TEST_F(AdminHandlerTest, NothingThatChangesWhatThereIsIsEverPutOff) {
  for (const Endpoint& endpoint : endpoints()) {
    if (!endpoint.work) continue;
    const bool reads = endpoint.method == "GET" || endpoint.pattern == "/api/v1/routes/test";
    EXPECT_TRUE(reads || *endpoint.work == relay::Work::replays) << endpoint.pattern;
  }
}

TEST_F(AdminHandlerTest, WhoHasNoKeyIsNotToldOfTheLoad) {
  shedding.set(relay::LoadLevel::no_events);
  EXPECT_EQ(call_openly("GET", "/api/v1/events").status, 401);
}

}  // namespace
}  // namespace postern::control
