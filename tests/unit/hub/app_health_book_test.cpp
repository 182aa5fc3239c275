#include "relay/tunnel/app_health_book.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

const AgentId kAgent{Uuid{1}};
const std::vector<tunnel::AppHealth> kGone = {{"localhost", 8000, false, "connect_failed"},
                                              {"localhost", 9000, true, ""}};

constexpr SessionSeat seat(std::uint8_t instance, std::uint32_t index) {
  return {Uuid{instance}, index};
}
const int kSessions[4] = {};  // for their addresses
const AppHealthBook::Teller kFirst{seat(1, 0), &kSessions[0]};
const AppHealthBook::Teller kSecond{seat(1, 1), &kSessions[1]};

std::vector<tunnel::AppHealth> bound(std::uint32_t concurrency, std::uint32_t sessions = 2) {
  return {{"localhost", 8000, true, "", concurrency, sessions}};
}

class HealthBook : public testing::Test {
 protected:
  ManualClock clock_;
  AppHealthBook book_{clock_};
};

TEST_F(HealthBook, KnowsWhatTheAgentSaid) {
  EXPECT_EQ(book_.away(kAgent, "localhost", 8000), std::nullopt);
  EXPECT_TRUE(book_.told(kAgent, kFirst, kGone));
  EXPECT_EQ(book_.away(kAgent, "LocalHost", 8000), "connect_failed");
  EXPECT_EQ(book_.away(kAgent, "localhost", 9000), std::nullopt);
  EXPECT_EQ(book_.away(kAgent, "localhost", 8001), std::nullopt);
  EXPECT_EQ(book_.away(AgentId{Uuid{2}}, "localhost", 8000), std::nullopt);
  EXPECT_EQ(book_.apps(kAgent), kGone);
}

TEST_F(HealthBook, TheNewestWordIsTheWholeOfIt) {
  book_.told(kAgent, kFirst, kGone);
  EXPECT_FALSE(book_.told(kAgent, kFirst, kGone)) << "no news";
  EXPECT_TRUE(book_.told(kAgent, kFirst, {}));
  EXPECT_EQ(book_.away(kAgent, "localhost", 8000), std::nullopt);
}

TEST_F(HealthBook, AWordThatIsNotRepeatedLapses) {
  book_.told(kAgent, kFirst, kGone);
  clock_.advance(AppHealthBook::kHolds - Duration(1));
  EXPECT_TRUE(book_.away(kAgent, "localhost", 8000));
  clock_.advance(Duration(1));
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
  EXPECT_TRUE(book_.told(kAgent, kFirst, kGone)) << "news again";
}

TEST_F(HealthBook, ANewSessionKnowsNothing) {
  book_.told(kAgent, kFirst, kGone);
  book_.forget(kAgent);
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
  book_.told(kAgent, kFirst, bound(4, 1));
  book_.forget(kAgent);
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U) << "the session is still there";
}

TEST_F(HealthBook, WhatAProcessSaidLeavesWithItsLastSession) {
  book_.told(kAgent, kFirst, {{"localhost", 9000, true, ""}});
  book_.told(kAgent, kSecond, kGone);
  EXPECT_FALSE(book_.left(kAgent, kSecond)) << "the same process is still there";
  EXPECT_TRUE(book_.away(kAgent, "localhost", 8000));
  EXPECT_TRUE(book_.left(kAgent, kFirst));
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
  EXPECT_TRUE(book_.apps(kAgent).empty());
}

TEST_F(HealthBook, ThoseThatStayHaveTheLastWord) {
  const AppHealthBook::Teller other{seat(2, 0), &kSessions[2]};
  book_.told(kAgent, kFirst, bound(4, 1));
  book_.told(kAgent, other, kGone);
  EXPECT_TRUE(book_.left(kAgent, other));
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
  EXPECT_EQ(book_.apps(kAgent), bound(4, 1));
  book_.told(kAgent, kFirst, kGone);
  EXPECT_FALSE(book_.left(kAgent, other)) << "it has left";
  EXPECT_TRUE(book_.away(kAgent, "localhost", 8000));
}

TEST_F(HealthBook, TheSessionsOfAProcessShareWhatAnAppTakes) {
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), std::nullopt);
  EXPECT_TRUE(book_.told(kAgent, kFirst, bound(5)));
  EXPECT_EQ(book_.places(kAgent, "LOCALHOST", 8000), 3U) << "half of it, rounded up";
  EXPECT_TRUE(book_.told(kAgent, kSecond, bound(5))) << "the same word of another session is news";
  EXPECT_FALSE(book_.told(kAgent, kSecond, bound(5)));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 5U);
  EXPECT_EQ(book_.places(kAgent, "localhost", 9000), std::nullopt);
}

TEST_F(HealthBook, OnePlaceIsThereForWhomeverHoldsASession) {
  book_.told(kAgent, kFirst, bound(1, 4));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 1U);
}

TEST_F(HealthBook, ProcessesOfAnAgentAddUp) {
  book_.told(kAgent, kFirst, bound(4, 1));
  book_.told(kAgent, {seat(2, 0), &kSessions[2]}, bound(3, 1));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 7U);
}

TEST_F(HealthBook, ANewerSessionOfASeatSpeaksInItsPlace) {
  book_.told(kAgent, kFirst, bound(4, 1));
  const AppHealthBook::Teller moved{kFirst.seat, &kSessions[3]};
  EXPECT_FALSE(book_.told(kAgent, moved, bound(4, 1)));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
  EXPECT_FALSE(book_.left(kAgent, kFirst)) << "it no longer counted";
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
  EXPECT_TRUE(book_.left(kAgent, moved));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), std::nullopt);
}

TEST_F(HealthBook, ABoundDoesNotLapse) {
  book_.told(kAgent, kFirst, bound(4, 1));
  clock_.advance(10 * AppHealthBook::kHolds);
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
  EXPECT_TRUE(book_.told(kAgent, kFirst, {}));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), std::nullopt);
}

// What comes to both of them cannot be bounded by what one of them says.
TEST_F(HealthBook, AProcessThatBoundsNothingLeavesNoBound) {
  const AppHealthBook::Teller other{seat(2, 0), &kSessions[2]};
  book_.told(kAgent, kFirst, bound(4, 1));
  EXPECT_TRUE(book_.told(kAgent, other, {{"localhost", 8000, true, ""}}));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), std::nullopt);
  EXPECT_TRUE(book_.told(kAgent, other, {}));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), std::nullopt) << "nor does one that does not name it";
  EXPECT_TRUE(book_.left(kAgent, other));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
}

// As the successor of an upgrade, which logs in beside the process that it takes over from.
TEST_F(HealthBook, OnlyLiveSessionsHavePlaces) {
  AppHealthBook::Teller next{seat(2, 0), &kSessions[2], false};
  book_.told(kAgent, kFirst, bound(4, 1));
  book_.told(kAgent, next, bound(3, 1));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
  next.live = true;
  EXPECT_TRUE(book_.set_live(kAgent, next));
  EXPECT_FALSE(book_.set_live(kAgent, next)) << "no news";
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 7U);
  EXPECT_TRUE(book_.left(kAgent, kFirst));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 3U);
  next.live = false;
  EXPECT_TRUE(book_.set_live(kAgent, next));
  EXPECT_FALSE(book_.left(kAgent, next)) << "it had none any more";
}

TEST_F(HealthBook, ASessionThatWaitsInALiveOnesSeatTakesNothingFromIt) {
  AppHealthBook::Teller next{kFirst.seat, &kSessions[3], false};
  book_.told(kAgent, kFirst, bound(4, 1));
  book_.told(kAgent, next, bound(4, 1));
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U);
  next.live = true;
  book_.set_live(kAgent, next);
  EXPECT_EQ(book_.places(kAgent, "localhost", 8000), 4U) << "one seat, one part";
}

TEST_F(HealthBook, AnAddressIsTheSameAppHoweverItIsWritten) {
  book_.told(kAgent, kFirst, {{"::1", 8000, false, "connect_failed", 2, 1}});
  EXPECT_EQ(book_.places(kAgent, "0:0:0:0:0:0:0:1", 8000), 2U);
  EXPECT_EQ(book_.away(kAgent, "0:0::1", 8000), "connect_failed");
  // As an agent says that names what it has heard of as it has heard it, and what it bounds.
  book_.told(kAgent, kFirst, {{"0:0::1", 8000, false, "connect_failed"}, {"::1", 8000, true, "", 2, 1}});
  EXPECT_EQ(book_.places(kAgent, "::1", 8000), 2U);
  EXPECT_EQ(book_.away(kAgent, "::1", 8000), "connect_failed");
}

TEST_F(HealthBook, TheSocketOfAnAppIsWhatItIs) {
  book_.told(kAgent, kFirst, {{"unix:/run/App.sock", 0, true, "", 2, 1}});
  EXPECT_EQ(book_.places(kAgent, "unix:/run/App.sock", 80), 2U);
  EXPECT_EQ(book_.places(kAgent, "unix:/run/app.sock", 80), std::nullopt);
}

}  // namespace
}  // namespace postern::relay
