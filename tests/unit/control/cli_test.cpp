#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "control/cli/actions.hpp"
#include "control/cli/connection.hpp"
#include "control/cli/exit_codes.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Answers in the order it was told, and remembers what it was asked.
class ScriptedApi final : public ApiClient {
 public:
  Outcome<json::value> call(std::string method, std::string path, const json::value* body) override {
    asked.push_back(method + " " + path + (body ? " " + json::serialize(*body) : ""));
    if (answers.empty()) return std::unexpected(CommandError{kExitFailed, "nothing scripted"});
    auto next = std::move(answers.front());
    answers.pop_front();
    return next;
  }
  Outcome<std::string> bytes(std::string path) override {
    asked.push_back("BYTES " + path);
    return std::string("\x00\x01raw", 5);
  }
  void answer(std::string_view text) { answers.emplace_back(json::parse(text)); }

  std::vector<std::string> asked;
  std::deque<Outcome<json::value>> answers;
};

const Resource& resource(std::string_view kind) {
  return *std::ranges::find(resources(), kind, &Resource::kind);
}

TEST(Table, AlignsColumnsByCharactersNotBytes) {
  const Column columns[] = {{"NAME", "name"}, {"N", "inner.n"}};
  const json::array rows =
      json::parse(R"([{"name":"né","inner":{"n":1}},{"name":"long name","inner":{"n":null}},{}])").as_array();
  EXPECT_EQ(format_table(columns, rows),
            "NAME       N\n"
            "né         1\n"
            "long name  -\n"
            "-          -\n");
  EXPECT_EQ(format_table(columns, {}), "");
}

TEST(Table, WhatStrangersSentCannotDriveTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n\x7f\xc2\x9b"), "a\\x1b[31mb\\x0d\\x0a\\x7f\\x9b");
  EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b\xe2\x81\xa6\xe2\x80\xa6"),
            "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6\xe2\x80\xa6");
  const json::object object{{"name", "x\x1b]0;evil\x07"}};
  EXPECT_EQ(format_object(object), "name: x\\x1b]0;evil\\x07\n");
}

TEST(Table, ObjectsAreIndentedLines) {
  const json::object object =
      json::parse(R"({"a":1,"b":{"c":true},"list":[{"x":1,"y":2},{"x":3}],"n":null,"t":["p","q"]})")
          .as_object();
  EXPECT_EQ(format_object(object),
            "a: 1\n"
            "b:\n"
            "  c: yes\n"
            "list:\n"
            "  - x: 1\n"
            "    y: 2\n"
            "  - x: 3\n"
            "n: -\n"
            "t: p, q\n");
}

TEST(Cli, CreateSendsWhatTheFlagsSay) {
  ScriptedApi api;
  api.answer(R"({"items":[{"id":"agt_1","name":"cellar"}],"next_cursor":null})");
  api.answer(R"({"id":"dst_1","signing_secret":"whsec_x"})");
  const GivenFlags given{{"--kind", {"agent"}},       {"--url", {"http://localhost:1/"}},
                         {"--agent", {"cellar"}},     {"--retry", {"0", "5s"}},
                         {"--final-status", {"404"}}, {"--enabled", {"false"}}};
  const auto out = create_resource(api, resource("destinations"), "app", given, Form::people);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(*out, HasSubstr("shown only now"));
  ASSERT_EQ(api.asked.size(), 2u);
  const auto body = json::parse(api.asked[1].substr(api.asked[1].find('{'))).as_object();
  EXPECT_EQ(
      body,
      json::parse(
          R"({"name":"app","kind":"agent","url":"http://localhost:1/","agent_id":"agt_1","retry_schedule":["0","5s"],"final_statuses":[404],"enabled":false})")
          .as_object());
}

TEST(Cli, ANatsDestinationHasASubjectAndAMapInPlaceOfAUrl) {
  ScriptedApi api;
  api.answer(R"({"id":"dst_1"})");
  const GivenFlags given{{"--kind", {"nats"}},
                         {"--subject", {"postern.{workspace}.{domain}"}},
                         {"--event-map", {R"({"stripe:invoice.paid":"billing.paid","github:push":null})"}}};
  ASSERT_TRUE(create_resource(api, resource("destinations"), "bus", given, Form::people));
  const auto body = json::parse(api.asked[0].substr(api.asked[0].find('{'))).as_object();
  EXPECT_EQ(body, json::parse(R"({"name":"bus","kind":"nats","subject":"postern.{workspace}.{domain}",
                                  "event_map":{"stripe:invoice.paid":"billing.paid","github:push":null}})")
                      .as_object());
}

TEST(Cli, SecretsComeFromFilesWithoutTheirLastLineBreak) {
  const auto file = std::filesystem::temp_directory_path() / "postern-cli-secret";
  std::ofstream(file) << "the secret\n";
  ScriptedApi api;
  api.answer(R"({"id":"src_1"})");
  ASSERT_TRUE(create_resource(api, resource("sources"), "gh",
                              {{"--provider", {"github"}}, {"--secret-file", {file.string()}}}, Form::json));
  EXPECT_THAT(api.asked[0], HasSubstr(R"("secrets":["the secret"])"));
  const auto missing =
      create_resource(api, resource("sources"), "gh", {{"--secret-file", {"/nonexistent"}}}, Form::json);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().exit_code, kExitUsage);
  std::filesystem::remove(file);
}

TEST(Cli, ARateIsWrittenInShort) {
  for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {"100", R"({"rate_limit":{"per_second":100,"burst":0}})"},
           {"100:200", R"({"rate_limit":{"per_second":100,"burst":200}})"},
           {R"({"per_second":7})", R"({"rate_limit":{"per_second":7}})"},
           {"default", R"({"rate_limit":null})"}}) {
    ScriptedApi api;
    const auto body = body_from(resource("sources"), {{"--rate-limit", {text}}}, api);
    ASSERT_TRUE(body) << text;
    EXPECT_EQ(*body, json::parse(expected).as_object());
  }
  ScriptedApi api;
  for (const char* wrong : {"", "fast", "1:", ":1", "1:2:3", "-1"}) {
    EXPECT_FALSE(body_from(resource("sources"), {{"--rate-limit", {wrong}}}, api)) << wrong;
  }
}

TEST(Cli, WrongFlagTextsAreUsageErrors) {
  ScriptedApi api;
  for (const GivenFlags& given :
       {GivenFlags{{"--concurrency", {"many"}}}, GivenFlags{{"--enabled", {"maybe"}}},
        GivenFlags{{"--final-status", {"4xx"}}}}) {
    const auto out = update_resource(api, resource("destinations"), "dst_1", given, Form::people);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().exit_code, kExitUsage);
  }
  EXPECT_EQ(update_resource(api, resource("sources"), "src_1", {}, Form::people).error().exit_code,
            kExitUsage);
  EXPECT_TRUE(api.asked.empty());
}

TEST(Cli, ANameThatIsNotThereNamesTheNearest) {
  ScriptedApi api;
  api.answer(
      R"({"items":[{"id":"src_1","name":"github"},{"id":"src_2","name":"stripe"}],"next_cursor":null})");
  const auto out = show_resource(api, resource("sources"), "githbu", Form::people);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().exit_code, kExitNotFound);
  EXPECT_THAT(out.error().message, HasSubstr("did you mean github?"));
}

TEST(Cli, ListsFollowTheCursorAndTeachWhenEmpty) {
  ScriptedApi api;
  api.answer(R"({"items":[{"name":"a"}],"next_cursor":"c/1"})");
  api.answer(R"({"items":[{"name":"b"}],"next_cursor":null})");
  const auto out = list_resource(api, resource("agents"), 1000, Form::people);
  ASSERT_TRUE(out);
  EXPECT_THAT(api.asked, ElementsAre("GET agents?limit=500", "GET agents?limit=500&cursor=c%2f1"));
  api.answer(R"({"items":[],"next_cursor":null})");
  EXPECT_THAT(*list_resource(api, resource("agents"), 10, Form::people),
              HasSubstr("postern agents create --help"));
}

TEST(Cli, EnrollMakesTheAgentWhenThereIsNone) {
  ScriptedApi api;
  api.answer(R"({"items":[],"next_cursor":null})");
  api.answer(R"({"id":"agt_7"})");
  api.answer(
      R"({"join_token":"pj1_x","command":"postern-agent join pj1_x --allow localhost:8000","expires_at":"soon"})");
  const auto out = enroll_agent_command(api, "cellar", {}, Form::people);
  ASSERT_TRUE(out);
  EXPECT_THAT(*out, HasSubstr("postern-agent join pj1_x"));
  EXPECT_THAT(api.asked, ElementsAre("GET agents?limit=500", R"(POST agents {"name":"cellar"})",
                                     "POST agents/agt_7/enrollment {}"));
}

/// A listing as the relay gives it: ids with the second they were received in, newest first.
std::string listing_of(std::initializer_list<std::pair<std::string_view, int>> events) {
  std::string items;
  for (const auto& [id, second] : events) {
    items += fmt::format(
        R"({}{{"id":"{}","received_at":"2026-01-02T03:04:{:02}.000Z","type":"push","body_size":2,"verified":true}})",
        items.empty() ? "" : ",", id, second);
  }
  return fmt::format(R"({{"items":[{}],"next_cursor":null}})", items);
}

TEST(Cli, TailShowsWhatCameSinceOldestFirst) {
  ScriptedApi api;
  EventTail tail(api, {}, Form::json);
  api.answer(listing_of({{"evt_1", 10}}));
  EXPECT_EQ(*tail.next(), "");
  api.answer(listing_of({{"evt_3", 12}, {"evt_2", 11}, {"evt_1", 10}}));
  const auto out = tail.next();
  ASSERT_TRUE(out);
  EXPECT_THAT(api.asked.back(), HasSubstr("since=2026-01-02T03%3a04%3a07"));
  EXPECT_LT(out->find("evt_2"), out->find("evt_3"));
  EXPECT_EQ(out->find("evt_1"), std::string::npos);
  api.answer(listing_of({{"evt_3", 12}, {"evt_2", 11}}));
  EXPECT_EQ(*tail.next(), "");
}

TEST(Cli, TailShowsAnEventThatWasReceivedEarlierAndStoredLater) {
  ScriptedApi api;
  EventTail tail(api, {}, Form::json);
  api.answer(listing_of({}));
  EXPECT_EQ(*tail.next(), "");
  api.answer(listing_of({{"evt_2", 12}}));
  EXPECT_THAT(*tail.next(), HasSubstr("evt_2"));
  api.answer(listing_of({{"evt_2", 12}, {"evt_1", 12}}));
  const auto late = tail.next();
  ASSERT_TRUE(late);
  EXPECT_THAT(*late, HasSubstr("evt_1"));
  EXPECT_EQ(late->find("evt_2"), std::string::npos);
}

TEST(Cli, TailBeginsWhereSinceSays) {
  ScriptedApi api;
  EventQuery query;
  query.since = "2026-01-02T03:04:00Z";
  EventTail tail(api, query, Form::json);
  EXPECT_EQ(*tail.next(), "");
  EXPECT_TRUE(api.asked.empty());
  api.answer(listing_of({{"evt_1", 10}}));
  EXPECT_THAT(*tail.next(), HasSubstr("evt_1"));
}

TEST(Cli, AProgramComesFromAFileOrTheCommandLine) {
  const auto file = std::filesystem::temp_directory_path() / ("postern-filter-" + std::to_string(::getpid()));
  std::ofstream(file) << ".body.a |\n.b\n";
  ScriptedApi api;
  const auto body =
      body_from(resource("routes"), {{"--filter-file", {file.string()}}, {"--transform", {"."}}}, api);
  std::filesystem::remove(file);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->at("filter"), ".body.a |\n.b");
  EXPECT_EQ(body->at("transform"), ".");
}

TEST(Cli, ARouteIsTriedOnAnEventOrASample) {
  ScriptedApi api;
  api.answer(R"({"outcome":"skipped"})");
  ASSERT_TRUE(test_route_command(api, resource("routes"), {{"--filter", {".a"}}}, "evt_1", "", Form::json));
  api.answer(R"({"outcome":"skipped"})");
  ASSERT_TRUE(test_route_command(api, resource("routes"), {}, "", R"({"n":1})", Form::json));
  api.answer(R"({"outcome":"skipped"})");
  ASSERT_TRUE(test_route_command(api, resource("routes"), {}, "", "a=1", Form::json));
  EXPECT_FALSE(test_route_command(api, resource("routes"), {}, "", "@/nonexistent", Form::json));
  ASSERT_EQ(api.asked.size(), 3U);
  EXPECT_THAT(api.asked[0], HasSubstr(R"({"filter":".a","event_id":"evt_1"})"));
  EXPECT_THAT(api.asked[1], HasSubstr(R"({"sample":{"body":{"n":1}}})"));
  EXPECT_THAT(api.asked[2], HasSubstr(R"({"sample":{"body_text":"a=1"}})"));
}

TEST(Cli, ADirectoryIsNoSecretFile) {
  ScriptedApi api;
  const auto body = body_from(resource("sources"), {{"--secret-file", {"/tmp"}}}, api);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().exit_code, kExitUsage);
  EXPECT_THAT(body.error().message, HasSubstr("Is a directory"));
}

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "admin.addr") << "http://127.0.0.1:5\n";
    std::ofstream(directory / "admin.key") << "pk_file\n";
  }
  ~ConnectionTest() override { std::filesystem::remove_all(directory); }

  Result<Connection> find(ConnectionFlags flags) {
    return find_connection(flags, [this](const char* name) -> const char* {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    });
  }

  std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("postern-cli-" + std::to_string(::getpid()));
  std::map<std::string, std::string> environment;
};

TEST_F(ConnectionTest, TheDataDirectoryHasBoth) {
  const auto found = find({"", "", directory.string()});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->url, "http://127.0.0.1:5");
  EXPECT_EQ(found->key, "pk_file");
}

TEST_F(ConnectionTest, FlagsWinOverTheEnvironmentOverTheDirectory) {
  environment = {
      {"POSTERN_URL", "http://env:1/"}, {"POSTERN_KEY", "pk_env"}, {"POSTERN_DATA_DIR", directory.string()}};
  EXPECT_EQ(find({})->url, "http://env:1");
  EXPECT_EQ(find({})->key, "pk_env");
  EXPECT_EQ(find({"http://flag:2", "", ""})->url, "http://flag:2");
  // A directory named outright is meant.
  EXPECT_EQ(find({"", "", directory.string()})->key, "pk_file");
  environment.erase("POSTERN_URL");
  environment["POSTERN_ADMIN_URL"] = "http://admin:3";
  EXPECT_EQ(find({})->url, "http://admin:3");
}

TEST_F(ConnectionTest, SaysWhereItLookedWhenThereIsNothing) {
  const auto found = find({"", "", "/nonexistent"});
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("/nonexistent/admin.addr"));
}

}  // namespace
}  // namespace postern::control
