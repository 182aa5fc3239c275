#include "relay/routing/evaluator.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

using Kind = Ruling::Kind;

/// Programs run where they run in the product: in a worker process.
class EvaluatorTest : public testing::Test {
 protected:
  explicit EvaluatorTest(Duration program_time = Evaluator::Options().program_time)
      : evaluator(options(program_time)) {}
  static Evaluator::Options options(Duration program_time = Evaluator::Options().program_time) {
    Evaluator::Options options;
    options.program_time = program_time;
    options.command = {POSTERN_ROUTE_WORKER, 64 * 1024 * 1024};
    return options;
  }
  static SteadyPoint later() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

  std::vector<Ruling> run(std::vector<RoutePrograms> routes, std::string_view body = R"({"n":1,"s":"x"})") {
    return evaluator.run(kMeta, body, std::move(routes), later()).value();
  }
  Ruling filter(std::string program, std::string_view body = R"({"n":1,"s":"x"})") {
    return run({{std::move(program), ""}}, body).at(0);
  }
  Ruling transform(std::string program, std::string_view body = R"({"n":1,"s":"x"})") {
    return run({{"", std::move(program)}}, body).at(0);
  }
  std::string body_of(const Ruling& ruling) {
    return ruling.payload ? ruling.payload->body : "failed: " + ruling.message;
  }

  static constexpr std::string_view kMeta =
      R"({"headers":{"x-shop":"a"},"query":{},"event":{"type":"order.paid"}})";
  Evaluator evaluator;
};

/// Megabytes, which take their time where everything is checked.
class EvaluatorAtLengthTest : public EvaluatorTest {
 protected:
  EvaluatorAtLengthTest() : EvaluatorTest(std::chrono::seconds(10)) {}
};

TEST_F(EvaluatorTest, AFilterIsJqsTruth) {
  EXPECT_EQ(filter(".body.n == 1").kind, Kind::passed);
  EXPECT_EQ(filter(".body.n").kind, Kind::passed) << "0, \"\" and [] are true as well";
  EXPECT_EQ(filter(".body.n == 2").kind, Kind::skipped);
  EXPECT_EQ(filter(".body.missing").kind, Kind::skipped);
  EXPECT_EQ(filter("empty").kind, Kind::skipped);
  EXPECT_EQ(filter(".event.type | startswith(\"order.\")").kind, Kind::passed);
  EXPECT_EQ(filter(".headers[\"x-shop\"] == \"a\"").kind, Kind::passed);
  EXPECT_EQ(filter("true, error(\"never reached\")").kind, Kind::passed) << "the first value counts";
}

TEST_F(EvaluatorTest, ATransformIsTheBody) {
  const Ruling made = transform("{text: .body.s}");
  EXPECT_EQ(made.kind, Kind::transformed);
  EXPECT_EQ(body_of(made), R"({"text":"x"})");
  EXPECT_EQ(made.payload->headers, (http::Headers{{"Content-Type", "application/json"}}));
  EXPECT_EQ(body_of(transform(".body.s")), "\"x\"");
  EXPECT_EQ(body_of(transform("null")), "null");
  EXPECT_EQ(transform("select(.body.n == 2)").kind, Kind::skipped);
}

TEST_F(EvaluatorTest, ATransformCanSayMore) {
  const Ruling made = transform(
      R"({"$body": "a=1", "$content_type": "text/plain", "$headers": {"X-Shop": "b", "X-Many": ["1", "2"]}})");
  ASSERT_EQ(made.kind, Kind::transformed) << made.message;
  EXPECT_EQ(made.payload->body, "a=1");
  EXPECT_EQ(
      made.payload->headers,
      (http::Headers{{"Content-Type", "text/plain"}, {"X-Many", "1"}, {"X-Many", "2"}, {"X-Shop", "b"}}));
  EXPECT_EQ(body_of(transform(R"({"$body": "a"})")), "\"a\"") << "without a content type it is JSON";
}

TEST_F(EvaluatorAtLengthTest, WhatCannotBeSentIsRefused) {
  for (const char* program :
       {R"({"$headers": {"A": "b"}})", R"({"$body": 1, "$header": {}})",
        R"({"$body": 1, "$headers": {"Host": "x"}})",
        R"({"$body": 1, "$headers": {"webhook-SIGNATURE": "x"}})",
        R"({"$body": 1, "$headers": {"A": "b\r\nC: d"}})", R"({"$body": 1, "$headers": {"a b": "c"}})",
        R"({"$body": 1, "$headers": {"A": 1}})", R"({"$body": 1, "$headers": {"Content-Type": "x"}})",
        R"({"$body": 1, "$content_type": 1})", R"({"$body": 1, "$headers": {"Postern-Event-Id": "x"}})",
        R"({"$body": 1, "$headers": ["a"]})",
        R"j({"$body": 1, "$headers": ([range(100) | {("H\(.)"): "x"}] | add)})j",
        R"j({"$body": 1, "$headers": {"A": ("x" * 9000)}})j", "1, 2"}) {
    const Ruling ruling = transform(program);
    EXPECT_EQ(ruling.kind, Kind::failed) << program;
    EXPECT_EQ(ruling.fault, Fault::shape) << program << ": " << ruling.message;
  }
  for (const char* program :
       {R"j({"$body": 1, "$headers": {"A": (reduce range(21) as $i ("x"; . + .))}})j",
        R"j({"$body": 1, "$content_type": (reduce range(21) as $i ("x"; . + .))})j",
        R"j({"$body": 1, ("$" + (reduce range(21) as $i ("x"; . + .))): 1})j",
        R"j({"$body": 1, "$headers": {(reduce range(21) as $i ("x"; . + .)): 1}})j",
        R"j({"$body": ("x" * 1000000), "$headers": {"A": [range(32) | "x" * 8000]}})j"}) {
    EXPECT_EQ(transform(program).fault, Fault::shape) << program;
  }
  const Ruling large = transform("reduce range(20) as $i (\"x\"; . + .)");
  EXPECT_EQ(large.fault, Fault::too_large) << large.message;
  EXPECT_EQ(body_of(transform("(reduce range(20) as $i (\"x\"; . + .))[:1048574]")).size(), kPayloadBytesMax);
}

TEST_F(EvaluatorTest, ABodyThatIsNoJsonIsText) {
  EXPECT_EQ(body_of(transform("[.body, .body_text]", "a=1&b=2")), R"([null,"a=1&b=2"])");
  EXPECT_EQ(body_of(transform("[.body, .body_text]", "")), R"([null,""])");
  EXPECT_EQ(body_of(transform("[.body, has(\"body_text\")]", "null")), "[null,false]");
  EXPECT_EQ(body_of(transform("[.body, .body_text]", "1 2")), R"([null,"1 2"])");
}

TEST_F(EvaluatorTest, AProgramThatIsNoneSaysWhere) {
  const Ruling ruling = filter(".body |\n.n ==");
  EXPECT_EQ(ruling.fault, Fault::invalid);
  EXPECT_NE(ruling.message.find("line 2"), std::string::npos) << ruling.message;
  EXPECT_EQ(ruling.message.find("Unix shell"), std::string::npos) << ruling.message;
  EXPECT_EQ(ruling.message.find("compile error"), std::string::npos) << ruling.message;
  EXPECT_NE(filter("nosuch(.body)").message.find("nosuch/1 is not defined"), std::string::npos);
  EXPECT_EQ(filter(std::string("true\0false", 10)).fault, Fault::invalid);
  const auto checked = evaluator.check({{".a", "{a: 1"}, {"", "."}, {"] ", ""}}, later()).value();
  EXPECT_EQ(checked.at(0).stage, Stage::transform);
  EXPECT_EQ(checked.at(0).fault, Fault::invalid);
  EXPECT_EQ(checked.at(1).kind, Kind::passed);
  EXPECT_EQ(checked.at(2).stage, Stage::filter);
}

TEST_F(EvaluatorTest, AnErrorOfTheProgramIsItsMessage) {
  const Ruling ruling = filter(".body.n.x");
  EXPECT_EQ(ruling.kind, Kind::failed);
  EXPECT_EQ(ruling.fault, Fault::error);
  EXPECT_EQ(ruling.stage, Stage::filter);
  EXPECT_TRUE(ruling.message.starts_with("Cannot index number with")) << ruling.message;
  EXPECT_EQ(transform("error(\"no \" + .body.s)").message, "no x");
  const Ruling long_winded = filter("error(reduce range(20) as $i (\"é\"; . + .))");
  EXPECT_EQ(long_winded.fault, Fault::error);
  EXPECT_EQ(long_winded.message.size(), kMessageBytesMax);
  EXPECT_TRUE(is_utf8(long_winded.message));
  EXPECT_NE(transform("error({a: 1})").message.find(R"({"a":1})"), std::string::npos);
  EXPECT_EQ(transform("1, error(\"late\")").fault, Fault::error);
  EXPECT_EQ(transform("halt").fault, Fault::error);
  EXPECT_EQ(transform("\"x\" | halt_error").fault, Fault::error);
  EXPECT_EQ(filter(".body.n").kind, Kind::passed) << "the next one is not hurt";
}

TEST_F(EvaluatorTest, NothingOfTheHostIsSeen) {
  ::setenv("POSTERN_TEST_SECRET", "hidden", 1);
  EXPECT_EQ(body_of(transform("[env, $ENV]")), "[{},{}]");
  EXPECT_EQ(body_of(transform("[input_filename, $__loc__.file]")), "[null,\"<top-level>\"]");
  EXPECT_EQ(transform("input").kind, Kind::failed);
  EXPECT_EQ(body_of(transform("[inputs]")), "[]");
  EXPECT_EQ(body_of(transform("\"said\" | debug | stderr")), "\"said\"");
  EXPECT_EQ(body_of(transform("get_search_list")), "[]");
  EXPECT_EQ(transform(R"(import "a" as a; a::b)").fault, Fault::invalid);
  EXPECT_EQ(transform(R"(include "passwd" {search: "/etc"}; .)").fault, Fault::invalid);
  EXPECT_EQ(transform(R"(import "x" as $d {search: "/tmp"}; $d)").fault, Fault::invalid);
}

TEST_F(EvaluatorTest, AnEndlessProgramCostsItselfOnly) {
  const std::vector<RoutePrograms> routes = {{".body.n == 1", ""},
                                             {"def f: f; f", ""},
                                             {"", "{n: .body.n}"},
                                             {"", "[range(infinite)] | length"},
                                             {".body", ""}};
  const auto rulings = run(routes);
  ASSERT_EQ(rulings.size(), routes.size());
  EXPECT_EQ(rulings[0].kind, Kind::passed);
  EXPECT_EQ(rulings[1].fault, Fault::time) << rulings[1].message;
  EXPECT_EQ(rulings[1].stage, Stage::filter);
  EXPECT_EQ(rulings[1].message, "the filter took more than 100ms of CPU time");
  EXPECT_EQ(body_of(rulings[2]), R"({"n":1})");
  EXPECT_EQ(rulings[3].kind, Kind::failed);
  EXPECT_TRUE(rulings[3].stage == Stage::transform || !sandbox_is_whole());
  EXPECT_EQ(rulings[4].kind, Kind::passed);
}

TEST_F(EvaluatorTest, WhatNeverEndsIsEnded) {
  const std::string text = "\"" + std::string(60, 'a') + "\"";
  for (const char* program :
       {"[limit(1; repeat(.; empty))]", "last(range(infinite))", "until(false; .)", "[recurse(.)] | length",
        "first(range(infinite) | select(. < 0))", ".body | test(\"^(a|a|aa)+$(?!x)\\\\b.b\")",
        "reduce range(1000000000) as $i (0; . + $i)", "def f(x): f(x | x); f(.)"}) {
    const Ruling ruling = filter(program, text);
    EXPECT_EQ(ruling.kind, Kind::failed) << program;
  }
  EXPECT_EQ(filter("true").kind, Kind::passed);
}

TEST_F(EvaluatorTest, MemoryIsBounded) {
  for (const char* program :
       {"[range(1e8)] | length", "\"x\" * 1e9 | length", "reduce range(40) as $i (\"xx\"; . + .)",
        "[limit(100000000; repeat(\"abc\"))]"}) {
    const Ruling ruling = filter(program);
    EXPECT_EQ(ruling.kind, Kind::failed) << program;
    // A sanitizer ends the worker in its own way.
    const bool ended = ruling.fault == Fault::memory || ruling.fault == Fault::time ||
                       (!sandbox_is_whole() && ruling.fault == Fault::lost);
    EXPECT_TRUE(ended) << program << ": " << ruling.message;
  }
  if (!sandbox_is_whole()) return;
  EXPECT_EQ(filter("reduce range(40) as $i (\"xx\"; . + .)").fault, Fault::memory);
  EXPECT_EQ(filter("true").kind, Kind::passed);
}

TEST_F(EvaluatorTest, AnEventTooLargeForItsMemoryFailsEveryRoute) {
  const std::string large = "\"" + std::string(30 * 1024 * 1024, 'x') + "\"";
  for (const Ruling& ruling : run({{"true", ""}, {"", "."}}, large)) {
    EXPECT_EQ(ruling.fault, Fault::memory);
    EXPECT_EQ(ruling.stage, Stage::input);
  }
  const std::string structured = "[" + std::string(5 * 1024 * 1024, ' ') + "]";
  EXPECT_EQ(filter("true", structured).message,
            "the event's body has 5242882 bytes; with routes.memory at 64 MiB, programs can be given at most "
            "4194304");
  if (!sandbox_is_whole()) return;
  // Small objects take fifty times their text.
  std::string dense = "[0";
  while (dense.size() < 4'000'000) dense += R"(,{"a":0})";
  const auto rulings = run({{"true", ""}, {"", "."}}, dense + "]");
  ASSERT_EQ(rulings.size(), 2U);
  EXPECT_EQ(rulings[1].stage, Stage::input);
  EXPECT_EQ(rulings[1].fault, Fault::memory) << rulings[1].message;
}

TEST_F(EvaluatorTest, ADeepValueBreaksNothingElse) {
  const Ruling ruling = transform("reduce range(1000000) as $i (0; [.])");
  EXPECT_EQ(ruling.kind, Kind::failed);
  EXPECT_EQ(filter("true").kind, Kind::passed);
}

TEST_F(EvaluatorTest, AWorkerKilledBetweenEventsIsReplaced) {
  EXPECT_EQ(filter("true").kind, Kind::passed);
  const int first = evaluator.pid();
  ASSERT_GT(first, 0);
  ::kill(first, SIGKILL);
  EXPECT_EQ(filter(".body.n == 1").kind, Kind::passed) << "the event is none the worse for it";
  EXPECT_NE(evaluator.pid(), first);
}

TEST_F(EvaluatorTest, APermanentlyBrokenWorkerIsSaidSo) {
  auto broken = options();
  broken.command.path = "/nonexistent";
  Evaluator without(broken);
  EXPECT_EQ(without.run(kMeta, "{}", {{"true", ""}}, later()).error().code, "programs_busy");
  broken.command.path = "/bin/false";
  Evaluator silent(broken);
  const auto rulings = silent.run(kMeta, "{}", {{"true", ""}, {"true", ""}}, later()).value();
  ASSERT_EQ(rulings.size(), 2U);
  EXPECT_EQ(rulings[1].fault, Fault::lost);
  const std::string script = testing::TempDir() + "postern-babbling-worker";
  std::ofstream(script) << "#!/bin/sh\necho 'this is no frame' >&3\n";
  ::chmod(script.c_str(), 0700);
  broken.command.path = script;
  Evaluator babbling(broken);
  EXPECT_EQ(babbling.run(kMeta, "{}", {{"true", ""}}, later())->at(0).fault, Fault::lost);
  ::unlink(script.c_str());
}

TEST_F(EvaluatorTest, TheTimeForOneEventIsBounded) {
  const auto began = std::chrono::steady_clock::now();
  const std::vector<RoutePrograms> loops(50, {"def f: f; f", ""});
  const auto rulings = evaluator.run(kMeta, "{}", loops, began + std::chrono::milliseconds(400)).value();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  ASSERT_EQ(rulings.size(), loops.size());
  EXPECT_EQ(rulings.back().fault, Fault::time);
  EXPECT_EQ(rulings.back().message, "the time for one event was used up");
}

TEST_F(EvaluatorTest, WhatIsTooMuchAtOnceIsDoneWhenItComesAgain) {
  std::vector<RoutePrograms> many;
  for (int i = 0; i < 100; ++i) many.push_back({fmt::format(".body.n == {}", i), ""});
  int busy = 0;
  Evaluator::Rulings rulings;
  do {
    rulings = evaluator.run(kMeta, R"({"n":1})", many,
                            std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
    if (!rulings) EXPECT_EQ(rulings.error().code, "programs_busy");
  } while (!rulings && ++busy < 2000);
  EXPECT_GT(busy, 0);
  ASSERT_TRUE(rulings);
  for (std::size_t i = 0; i < many.size(); ++i)
    EXPECT_EQ((*rulings)[i].kind, i == 1 ? Kind::passed : Kind::skipped) << i;
}

TEST_F(EvaluatorTest, AProgramHoldsNothingOfEarlierEvents) {
  std::string body = "[0";
  while (body.size() < 400'000) body += ",0,0,0,0,0,0,0,0";
  body += "]";
  EXPECT_EQ(filter("true", body).kind, Kind::passed);
  const int first = evaluator.pid();
  // Each stops in the middle of the event. Held, they would come to several times the limit.
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(filter(fmt::format(".body[] | . == 0 or {} < 0", i), body).kind, Kind::passed) << i;
  }
  EXPECT_EQ(evaluator.pid(), first);
}

}  // namespace
}  // namespace postern::relay
