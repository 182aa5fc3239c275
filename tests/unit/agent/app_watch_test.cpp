#include "agent/app_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::agent {
namespace {

using namespace std::chrono_literals;

const HostPort kApp{"localhost", 8000};

SteadyTime at(Duration since) {
  return SteadyTime(1h) + since;
}

TEST(AppWatch, OneFailureToReachAnAppIsEnough) {
  AppWatch watch;
  EXPECT_TRUE(watch.answered(kApp, at(0s)));
  EXPECT_FALSE(watch.answered(kApp, at(1s))) << "no news";
  EXPECT_TRUE(watch.not_sent(kApp, "connect_failed", at(2s)));
  EXPECT_FALSE(watch.not_sent(kApp, "connect_failed", at(2s))) << "no news";
  EXPECT_THAT(watch.list(),
              testing::ElementsAre(tunnel::AppHealth{"localhost", 8000, false, "connect_failed"}));
  EXPECT_TRUE(watch.answered(kApp, at(3s)));
  EXPECT_TRUE(watch.all_reachable());
  EXPECT_EQ(watch.next_look(), std::nullopt);
}

TEST(AppWatch, WhatIsNobodysDoingSaysNothingOfTheApp) {
  AppWatch watch;
  for (const char* code : {"cancelled", "timeout", "agent_busy", "body_too_large", "unheard_of"})
    EXPECT_FALSE(watch.not_sent(kApp, code, at(0s))) << code;
  EXPECT_TRUE(watch.list().empty());
}

TEST(AppWatch, LooksSoonAndThenEveryHalfSecond) {
  AppWatch watch;
  watch.not_sent(kApp, "connect_failed", at(0s));
  Duration now = 0s;
  std::vector<Duration> waits;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(watch.take_due(*watch.next_look() > at(now) ? at(now) : at(-1s)).empty());
    waits.push_back(*watch.next_look() - at(now));
    now += waits.back();
    ASSERT_EQ(watch.take_due(at(now)).size(), 1U);
    EXPECT_TRUE(watch.take_due(at(now)).empty()) << "one look at a time";
    EXPECT_FALSE(watch.looked(kApp, false, at(now)));
  }
  EXPECT_THAT(waits, testing::ElementsAre(100ms, 200ms, 400ms, 500ms, 500ms));
}

TEST(AppWatch, ALookThatFindsItIsNews) {
  AppWatch watch;
  watch.not_sent(kApp, "connect_failed", at(0s));
  watch.take_due(at(100ms));
  EXPECT_TRUE(watch.looked(kApp, true, at(100ms)));
  EXPECT_TRUE(watch.all_reachable());
}

TEST(AppWatch, WhatFailsRightAfterALookIsGivenBackEverMoreRarely) {
  AppWatch watch;
  SteadyTime now = at(0s);
  std::vector<Duration> waits;
  for (int i = 0; i < 9; ++i) {
    watch.not_sent(kApp, "tls_failed", now);
    waits.push_back(*watch.next_look() - now);
    now = *watch.next_look();
    watch.take_due(now);
    EXPECT_TRUE(watch.looked(kApp, true, now));
  }
  EXPECT_THAT(waits, testing::ElementsAre(100ms, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s));
  watch.answered(kApp, now);
  watch.not_sent(kApp, "tls_failed", now);
  EXPECT_EQ(*watch.next_look() - now, 100ms) << "an answer makes it good again";
}

TEST(AppWatch, WhatIsNotAllowedWaitsForTheRules) {
  AppWatch watch;
  watch.not_sent(kApp, "not_allowed", at(0s));
  EXPECT_EQ(watch.next_look(), std::nullopt);
  EXPECT_FALSE(watch.rules_changed([](const HostPort&) { return false; }));
  EXPECT_TRUE(watch.rules_changed([](const HostPort&) { return true; }));
  EXPECT_TRUE(watch.all_reachable());
}

TEST(AppWatch, WhatIsAllowedNoMoreIsForgotten) {
  AppWatch watch;
  watch.not_sent(kApp, "connect_failed", at(0s));
  watch.take_due(at(1s));
  EXPECT_TRUE(watch.rules_changed([](const HostPort&) { return false; }));
  EXPECT_FALSE(watch.looked(kApp, true, at(1s))) << "the look was under way";
  EXPECT_TRUE(watch.list().empty());
}

TEST(AppWatch, IsBoundedAndKeepsThoseThatCannotBeReached) {
  AppWatch watch;
  watch.not_sent(kApp, "connect_failed", at(0s));
  for (std::uint16_t i = 0; i < 2 * tunnel::kAppsMost; ++i) watch.answered({"h", i}, at(Duration(i)));
  EXPECT_EQ(watch.list().size(), tunnel::kAppsMost);
  EXPECT_EQ(watch.list().front().host, "localhost");
  const tunnel::AppHealth newest{"h", 2 * tunnel::kAppsMost - 1, true, ""};
  EXPECT_THAT(watch.list(), testing::Contains(newest));
}

}  // namespace
}  // namespace postern::agent
