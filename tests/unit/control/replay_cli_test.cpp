#include "control/cli/replay_actions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "control/cli/exit_codes.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Answers in the order it was told, and remembers what it was asked.
class ScriptedApi final : public ApiClient {
 public:
  explicit ScriptedApi(std::initializer_list<std::string_view> texts) {
    for (const auto text : texts) answers.emplace_back(json::parse(text));
  }
  Outcome<json::value> call(std::string method, std::string path, const json::value* body) override {
    asked.push_back(method + " " + path + (body ? " " + json::serialize(*body) : ""));
    if (answers.empty()) return std::unexpected(CommandError{kExitFailed, "nothing scripted"});
    auto next = std::move(answers.front());
    answers.pop_front();
    return next;
  }
  Outcome<std::string> bytes(std::string) override { return std::string(); }

  std::vector<std::string> asked;
  std::deque<json::value> answers;
};

constexpr std::string_view kHalf =
    R"({"id":"rpl_1","state":"running","estimate":300,"estimate_is_least":false,"rate":50,"made":150,"delivered":140,)"
    R"("failed":2,"open":8})";
constexpr std::string_view kDone =
    R"({"id":"rpl_1","state":"done","estimate":300,"estimate_is_least":false,"rate":50,"made":300,"delivered":298,)"
    R"("failed":2,"open":0})";

TEST(ReplayCommands, CreateSendsOnlyWhatWasGiven) {
  ScriptedApi api{kHalf};
  const auto out =
      create_replay_command(api, {.source = "src_1", .reason = "http_500", .rate = 50}, Form::people);
  ASSERT_TRUE(out);
  EXPECT_THAT(api.asked, ElementsAre(R"(POST replays {"source_id":"src_1","reason":"http_500","rate":50})"));
  EXPECT_THAT(*out, HasSubstr("rpl_1 runs: 300 deliveries at 50 a second."));
  EXPECT_THAT(*out, HasSubstr("postern replays watch rpl_1"));
}

TEST(ReplayCommands, ADryRunSaysHowLongItWouldTake) {
  ScriptedApi api{R"({"dry_run":true,"rate":50,"matching":300,"matching_is_least":false,"sample":[]})",
                  R"({"dry_run":true,"rate":50,"matching":0,"matching_is_least":false,"sample":[]})"};
  const auto some = create_replay_command(api, {.dry_run = true}, Form::people);
  EXPECT_THAT(*some, HasSubstr("300 deliveries match; at 50 a second that takes 6s."));
  EXPECT_THAT(*some, HasSubstr("Nothing was made."));
  const auto none = create_replay_command(api, {.dry_run = true}, Form::people);
  EXPECT_THAT(*none, HasSubstr("Nothing matches"));
}

TEST(ReplayCommands, ProgressIsOneLine) {
  EXPECT_EQ(progress_line(json::parse(kHalf).as_object()),
            "[###########.............] 150 of 300 made, 140 delivered, 2 failed, 8 under way  running");
  EXPECT_EQ(progress_line(json::parse(kDone).as_object()),
            "[########################] 300 of 300 made, 298 delivered, 2 failed, 0 under way  done");
}

TEST(ReplayCommands, ProgressSaysWhatIsLeftOutAndWhatItWaitsFor) {
  json::object replay = json::parse(kHalf).as_object();
  replay["skipped"] = {{"body_expired", 0}, {"destination_deleted", 0}, {"no_route", 7}};
  replay["waiting_for"] = "programs_busy";
  EXPECT_THAT(progress_line(replay),
              HasSubstr("8 under way, 7 left out (no route)  waits: the programs are busy"));
  replay["waiting_for"] = "programs_suspended";
  EXPECT_THAT(progress_line(replay), HasSubstr("went over its limits"));
}

TEST(ReplayCommands, WhatProgramsSettledNeedsTheCurrentConfiguration) {
  ReplayWish wish;
  wish.reason = "transform_failed";
  ScriptedApi api{kHalf, kHalf};
  EXPECT_THAT(create_replay_command(api, wish, Form::people).value(), HasSubstr("--configuration current"));
  wish.configuration = "current";
  EXPECT_THAT(create_replay_command(api, wish, Form::people).value(), Not(HasSubstr("--configuration")));
}

TEST(ReplayCommands, WatchingSaysEachThingOnceAndEnds) {
  ScriptedApi api{kHalf, kHalf, kDone};
  ReplayWatch watch(api, "rpl_1", Form::people);
  EXPECT_THAT(watch.next().value(), HasSubstr("150 of 300"));
  EXPECT_EQ(watch.next().value(), "");
  EXPECT_FALSE(watch.over());
  EXPECT_THAT(watch.next().value(), HasSubstr("done"));
  EXPECT_TRUE(watch.over());
}

TEST(ReplayCommands, ReasonsAreCounted) {
  ScriptedApi api{R"({"items":[{"state":"dead","reason":"http_500","count":12}],"counts_are_least":true})"};
  const auto out = delivery_reasons_command(api, {.source = "src_1"}, Form::people);
  EXPECT_THAT(*out, HasSubstr("12     dead   http_500"));
  EXPECT_THAT(*out, HasSubstr("there are more"));
  EXPECT_THAT(api.asked, ElementsAre("GET deliveries/summary?source_id=src_1"));
}

}  // namespace
}  // namespace postern::control
