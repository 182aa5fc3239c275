#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "relay/routing/event_input.hpp"
#include "relay/routing/outcome.hpp"
#include "relay/routing/suspensions.hpp"
#include "relay/routing/waiting_line.hpp"

namespace postern::relay {
namespace {

TEST(EventInputTest, ShowsTheEventAsItCame) {
  ManualClock clock;
  SeededRandom random{1};
  IdGenerator ids{clock, random};
  Event event;
  event.id = ids.of<EventId>();
  event.type = "push";
  event.verified = true;
  event.method = "POST";
  event.target = "/in/default/github/x?a=1&b=%20+c&a=2&bad=%zz&&flag";
  event.headers = {
      {"X-GitHub-Event", "push"}, {"X-Twice", "1"}, {"x-TWICE", "2"}, {"x-twice", "3"}, {"X-Latin", "\xe9"}};
  event.received_at = clock.now();
  const auto input = boost::json::parse(event_input(event, "github", "main"));
  EXPECT_EQ(boost::json::serialize(input.at("headers")),
            R"({"x-github-event":"push","x-twice":["1","2","3"],"x-latin":"é"})");
  EXPECT_EQ(boost::json::serialize(input.at("query")), R"({"a":["1","2"],"b":"  c","bad":"%zz","flag":""})");
  EXPECT_EQ(input.at("method"), "POST");
  EXPECT_EQ(boost::json::serialize(input.at("event")),
            fmt::format(R"({{"id":"{}","type":"push","provider":"github","source":"main","received_at":"{}",)"
                        R"("verified":true}})",
                        event.id.to_string(), to_rfc3339(clock.now())));
  EXPECT_FALSE(input.as_object().contains("form"));
}

TEST(EventInputTest, AFormIsTakenApart) {
  Event event;
  event.method = "POST";
  event.target = "/";
  event.headers = {{"content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8"}};
  event.body = "id=1&payload%5Bname%5D=A+B";
  const auto input = boost::json::parse(event_input(event, "chargify", "c"));
  EXPECT_EQ(boost::json::serialize(input.at("form")), R"({"id":"1","payload[name]":"A B"})");
}

TEST(OutcomeTest, AReasonNamesTheProgramAndFitsOneLine) {
  const RoutePrograms both{"f", "t"};
  EXPECT_EQ(reason_of({}, both), "");
  EXPECT_EQ(reason_of(Ruling::skipped(Stage::filter), both), "filtered");
  EXPECT_EQ(reason_of(Ruling::failed(Stage::filter, Fault::error, "a\nb"), both), "filter_failed: a b");
  EXPECT_EQ(reason_of(Ruling::failed(Stage::transform, Fault::error, "a"), both), "transform_failed: a");
  EXPECT_EQ(reason_of(Ruling::failed(Stage::input, Fault::memory, "a"), {"", "t"}), "transform_failed: a");
  EXPECT_EQ(reason_of(Ruling::failed(Stage::input, Fault::memory, "a"), {"f", ""}), "filter_failed: a");
  for (std::size_t length = 150; length < 250; ++length) {
    std::string message(length, 'x');
    message += "ééé";
    const std::string reason = reason_of(Ruling::failed(Stage::filter, Fault::error, message), both);
    EXPECT_LE(reason.size(), kReasonBytesMax);
    EXPECT_TRUE(is_utf8(reason)) << reason;
  }
  EXPECT_TRUE(is_utf8(reason_of(Ruling::failed(Stage::filter, Fault::error, "\xff\xfe"), both)));
  for (const char* reason : {"filtered", "filter_failed: x", "transform_failed: x"})
    EXPECT_TRUE(settled_by_route(reason));
  for (const char* reason : {"", "http_500", "retries_exhausted", "filtered_out"})
    EXPECT_FALSE(settled_by_route(reason));
}

TEST(OutcomeTest, ARulingDecidesADelivery) {
  const RoutePrograms programs{"f", "t"};
  NewDelivery delivery;
  apply({}, programs, delivery);
  EXPECT_FALSE(delivery.decided || delivery.payload);
  Ruling made{.kind = Ruling::Kind::transformed};
  made.payload = std::make_shared<const Payload>();
  apply(made, programs, delivery);
  EXPECT_EQ(delivery.payload, made.payload);
  NewDelivery skipped;
  apply(Ruling::skipped(Stage::filter), programs, skipped);
  EXPECT_EQ(skipped.decided->state, DeliveryState::cancelled);
  NewDelivery failed;
  apply(Ruling::failed(Stage::filter, Fault::time, "slow"), programs, failed);
  EXPECT_EQ(failed.decided->state, DeliveryState::dead);
  EXPECT_EQ(failed.decided->reason, "filter_failed: slow");
}

TEST(SuspensionsTest, ThreeInARowAreEnoughForAWhile) {
  Suspensions suspensions;
  const RoutePrograms slow{"slow", ""};
  const RoutePrograms other{"", "slow"};
  const Ruling over = Ruling::failed(Stage::filter, Fault::time, "");
  const SteadyTime start(std::chrono::seconds(100));
  suspensions.note(WorkspaceId{}, slow, over, start);
  suspensions.note(WorkspaceId{}, slow, over, start);
  EXPECT_FALSE(suspensions.suspended(WorkspaceId{}, slow, start));
  suspensions.note(WorkspaceId{}, slow, over, start);
  EXPECT_TRUE(suspensions.suspended(WorkspaceId{}, slow, start));
  EXPECT_FALSE(suspensions.suspended(WorkspaceId{}, other, start));
  EXPECT_TRUE(suspensions.suspended(WorkspaceId{}, slow, start + Suspensions::kPause - Duration(1)));
  EXPECT_FALSE(suspensions.suspended(WorkspaceId{}, slow, start + Suspensions::kPause));
  suspensions.note(WorkspaceId{}, slow, over, start + Suspensions::kPause);
  EXPECT_TRUE(suspensions.suspended(WorkspaceId{}, slow, start + Suspensions::kPause))
      << "one more is enough then";
  suspensions.note(WorkspaceId{}, slow, {}, start + Suspensions::kPause);
  EXPECT_FALSE(suspensions.suspended(WorkspaceId{}, slow, start + Suspensions::kPause))
      << "one that goes well forgives all";
}

TEST(SuspensionsTest, OnlyWhatCostsAWorkerCounts) {
  Suspensions suspensions;
  const RoutePrograms programs{"a", ""};
  for (const Ruling& ruling :
       {Ruling::failed(Stage::filter, Fault::error, ""), Ruling::failed(Stage::filter, Fault::invalid, ""),
        Ruling::failed(Stage::input, Fault::memory, ""), Ruling::failed(Stage::input, Fault::lost, ""),
        Ruling::skipped(Stage::filter)}) {
    for (int i = 0; i < 5; ++i) suspensions.note(WorkspaceId{}, programs, ruling, {});
    EXPECT_FALSE(suspensions.suspended(WorkspaceId{}, programs, {}));
  }
}

class WaitingLineTest : public testing::Test {
 protected:
  bool push(int key, std::string item, int until = 100) { return line.push(key, at(until), item); }
  static WaitingLine<int, std::string>::Point at(int seconds) {
    return WaitingLine<int, std::string>::Point(std::chrono::seconds(seconds));
  }
  std::string all() {
    std::string out;
    while (auto item = line.pop()) out += *item;
    return out;
  }
  WaitingLine<int, std::string> line{6, 4};
};

TEST_F(WaitingLineTest, EachHasItsTurn) {
  for (const char* item : {"a", "b", "c"}) EXPECT_TRUE(push(1, item));
  EXPECT_TRUE(push(2, "x"));
  EXPECT_TRUE(push(3, "y"));
  EXPECT_EQ(all(), "axybc");
  EXPECT_EQ(line.size(), 0U);
}

TEST_F(WaitingLineTest, IsBoundedForEachAndInAll) {
  for (const char* item : {"a", "b", "c", "d"}) EXPECT_TRUE(push(1, item));
  std::string kept = "e";
  EXPECT_FALSE(line.push(1, at(100), kept));
  EXPECT_EQ(kept, "e");
  EXPECT_TRUE(push(2, "x"));
  EXPECT_TRUE(push(3, "y"));
  EXPECT_FALSE(push(4, "z")) << "all places are taken";
  EXPECT_EQ(all(), "axybcd");
  EXPECT_TRUE(push(4, "z"));
}

TEST_F(WaitingLineTest, WhatIsLateComesOut) {
  push(1, "a", 10);
  push(1, "b", 30);
  push(2, "x", 20);
  EXPECT_EQ(line.earliest(), at(10));
  EXPECT_EQ(line.expire(at(9)).size(), 0U);
  EXPECT_EQ(line.expire(at(20)), (std::vector<std::string>{"a", "x"}));
  EXPECT_EQ(line.earliest(), at(30));
  EXPECT_EQ(all(), "b");
  EXPECT_FALSE(line.earliest());
}

}  // namespace
}  // namespace postern::relay
