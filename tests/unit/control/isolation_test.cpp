#include "api_fixture.hpp"

namespace postern::control {
namespace {

/// Nothing crosses a workspace: every route of the table is tried with another workspace's key on ids that
/// exist.
class IsolationTest : public ApiFixture {
 protected:
  IsolationTest() {
    const auto source = make_source("gh");
    const auto destination = make_destination("app");
    id["sources"] = id_of(source);
    id["destinations"] = id_of(destination);
    id["routes"] = id_of(
        ok("POST", "/api/v1/routes",
           R"({"source_id":")" + id["sources"] + R"(","destination_id":")" + id["destinations"] + R"("})"));
    id["agents"] = id_of(ok("POST", "/api/v1/agents", R"({"name":"cellar"})"));
    id["events"] = store_event(id["sources"], id["destinations"]);
    const auto event = ok("GET", "/api/v1/events/" + id["events"]);
    id["deliveries"] = id_of(event.at("deliveries").as_array()[0].as_object());
    id["replays"] = id_of(ok("POST", "/api/v1/replays", R"({"source_id":")" + id["sources"] + R"("})"));
  }

  std::string kind_of(std::string_view pattern) const {
    const auto rest = pattern.substr(std::string_view("/api/v1/").size());
    return std::string(rest.substr(0, rest.find('/')));
  }

  std::string path_of(const Endpoint& endpoint) {
    std::string path(endpoint.pattern);
    const auto at = path.find("{id}");
    return at == path.npos ? path : path.replace(at, 4, id.at(kind_of(endpoint.pattern)));
  }

  std::string body_of(const Endpoint& endpoint) const {
    if (endpoint.method != "PATCH") return "";
    return kind_of(endpoint.pattern) == "agents" ? R"({"name":"mine now"})" : R"({"enabled":false})";
  }

  /// What the owner sees, as one text.
  std::string everything() {
    std::string seen;
    for (const auto& [kind, each] : id) seen += call("GET", "/api/v1/" + kind + "/" + each).body + "\n";
    return seen + call("GET", "/api/v1/audit").body;
  }

  std::map<std::string, std::string> id;
};

TEST_F(IsolationTest, AnotherWorkspacesIdsAreNotThere) {
  const std::string before = everything();
  int tried = 0;
  for (const Endpoint& endpoint : endpoints()) {
    if (endpoint.pattern.find("{id}") == std::string_view::npos) continue;
    const std::string path = path_of(endpoint);
    const auto response = call_as(other_key, std::string(endpoint.method), path, body_of(endpoint));
    EXPECT_EQ(response.status, 404) << endpoint.method << " " << path << ": " << response.body;
    ++tried;
  }
  EXPECT_GE(tried, 19);
  EXPECT_EQ(everything(), before);
  EXPECT_TRUE(agents.cut.empty());
}

TEST_F(IsolationTest, ListingsShowOnlyTheOwn) {
  for (const Endpoint& endpoint : endpoints()) {
    if (endpoint.method != "GET" || endpoint.pattern.find("{id}") != std::string_view::npos) continue;
    if (endpoint.pattern == "/api/v1/workspace") continue;  // no listing: whoever asks sees their own
    const auto response = call_as(other_key, "GET", std::string(endpoint.pattern));
    ASSERT_EQ(response.status, 200) << endpoint.pattern;
    if (kind_of(endpoint.pattern) == "workspace") continue;  // not a listing
    EXPECT_TRUE(parsed(response).at("items").as_array().empty()) << endpoint.pattern;
  }
  for (const std::string& filtered :
       {"events?source_id=" + id["sources"], "deliveries?event_id=" + id["events"],
        "deliveries?destination_id=" + id["destinations"], "deliveries?replay_id=" + id["replays"],
        "deliveries/summary?source_id=" + id["sources"]}) {
    EXPECT_TRUE(parsed(call_as(other_key, "GET", "/api/v1/" + filtered)).at("items").as_array().empty())
        << filtered;
  }
}

TEST_F(IsolationTest, EachSeesAndChangesTheOwnWorkspace) {
  const auto changed = call_as(other_key, "PATCH", "/api/v1/workspace", R"({"rate_limit":{"per_second":7}})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  const auto theirs = parsed(call_as(other_key, "GET", "/api/v1/workspace"));
  EXPECT_EQ(theirs.at("name").as_string(), "other");
  EXPECT_EQ(theirs.at("rate_limit"), boost::json::parse(R"({"per_second":7,"burst":7})"));
  EXPECT_EQ(catalog.current()->workspaces.at(other_workspace).rate_per_second, 7U);
  const auto mine = ok("GET", "/api/v1/workspace");
  EXPECT_EQ(mine.at("name").as_string(), "default");
  EXPECT_TRUE(mine.at("rate_limit").is_null());
  EXPECT_EQ(call("PATCH", "/api/v1/workspace", R"({"name":"mine"})").status, 422);
  EXPECT_EQ(call("PATCH", "/api/v1/workspace", R"({"rate_limit":{"per_second":0}})").status, 422);
  EXPECT_TRUE(ok("PATCH", "/api/v1/workspace", R"({"rate_limit":null})").at("rate_limit").is_null());
}

TEST_F(IsolationTest, NothingNewCanReferToAnotherWorkspace) {
  const std::string before = everything();
  const auto own_source =
      parsed(call_as(other_key, "POST", "/api/v1/sources",
                     R"({"name":"gh","provider":"github","secrets":["a secret of some length"]})"));
  const auto own_destination =
      parsed(call_as(other_key, "POST", "/api/v1/destinations",
                     R"({"name":"app","kind":"http","url":"https://example.com/"})"));
  EXPECT_EQ(own_source.at("ingest_url").as_string(), "https://hooks.example/in/other/gh");
  const auto route = [&](const std::string& source, const std::string& destination) {
    return call_as(other_key, "POST", "/api/v1/routes",
                   R"({"source_id":")" + source + R"(","destination_id":")" + destination + R"("})")
        .status;
  };
  EXPECT_EQ(route(id["sources"], id_of(own_destination)), 422);
  EXPECT_EQ(route(id_of(own_source), id["destinations"]), 422);
  EXPECT_EQ(route(id_of(own_source), id_of(own_destination)), 201);
  const auto through = call_as(
      other_key, "POST", "/api/v1/destinations",
      R"({"name":"x","kind":"agent","url":"http://localhost:1/","agent_id":")" + id["agents"] + R"("})");
  EXPECT_EQ(through.status, 422);
  EXPECT_EQ(everything(), before);
}

}  // namespace
}  // namespace postern::control
