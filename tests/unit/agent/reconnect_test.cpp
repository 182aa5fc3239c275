#include "agent/reconnect.hpp"

#include <gtest/gtest.h>

namespace postern::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

SessionEnd ended(std::string code, Duration lived = {}) {
  SessionEnd end;
  end.reason.code = std::move(code);
  end.lived = lived;
  end.reason.authenticated = lived > Duration(0);
  return end;
}

SessionEnd sent_away(std::string code, Duration after, Duration spread) {
  SessionEnd end = ended("connection_lost");
  end.goaway = tunnel::GoAway{std::move(code), "", after, spread};
  return end;
}

class Reconnect : public testing::Test {
 protected:
  SeededRandom random_{7};
  ReconnectPolicy policy_{random_};
};

TEST_F(Reconnect, TheFirstTryComesWithinHalfASecond) {
  for (int i = 0; i < 200; ++i) {
    EXPECT_LE(ReconnectPolicy(random_).after(ended("connect_failed")).wait, milliseconds(500));
  }
}

TEST_F(Reconnect, WaitsGrowToACapAndAreSpread) {
  Duration longest{};
  Duration shortest = minutes(10);
  for (int i = 0; i < 300; ++i) {
    const Duration wait = policy_.after(ended("connect_failed")).wait;
    longest = std::max(longest, wait);
    if (i > 10) shortest = std::min(shortest, wait);
  }
  EXPECT_LE(longest, kBackoffCap);
  EXPECT_GT(longest, seconds(4));
  EXPECT_LT(shortest, seconds(1));
}

TEST_F(Reconnect, AStableSessionStartsTheCountingAnew) {
  for (int i = 0; i < 20; ++i) policy_.after(ended("connect_failed"));
  EXPECT_LE(policy_.after(ended("connection_lost", kStableAfter)).wait, milliseconds(500));
  EXPECT_EQ(policy_.failures(), 1U);
}

TEST_F(Reconnect, ALineThatKeepsBreakingIsTakenUpSoonButNotInALoop) {
  for (int i = 0; i < 20; ++i) policy_.after(ended("connect_failed"));
  Duration longest{};
  for (int i = 0; i < 300; ++i) {
    longest = std::max(longest, policy_.after(ended("connection_lost", seconds(1))).wait);
  }
  EXPECT_LE(longest, kShortLivedCap);
  EXPECT_GT(longest, seconds(3));
}

TEST_F(Reconnect, TheRelaysWishIsKept) {
  for (int i = 0; i < 100; ++i) {
    const Duration wait = policy_.after(sent_away("shutdown", seconds(2), seconds(1))).wait;
    EXPECT_GE(wait, seconds(2));
    EXPECT_LE(wait, seconds(3));
  }
  EXPECT_LE(policy_.after(sent_away("shutdown", std::chrono::hours(24), {})).wait, kSlowPoll);
}

TEST_F(Reconnect, ARefusalThatPassesWaitsAsLongAsAsked) {
  SessionEnd end = ended("busy");
  end.reason.retry_after = seconds(7);
  const NextTry next = policy_.after(end);
  EXPECT_EQ(next.outlook, Outlook::normal);
  EXPECT_GE(next.wait, seconds(7));
}

TEST_F(Reconnect, ARefusedCredentialIsPolledSlowly) {
  SessionEnd end = ended("auth_failed");
  end.reason.retryable = false;
  const NextTry next = policy_.after(end);
  EXPECT_EQ(next.outlook, Outlook::revoked);
  EXPECT_GE(next.wait, minutes(4));
  EXPECT_EQ(policy_.after(sent_away("revoked", {}, {})).outlook, Outlook::revoked);
}

TEST_F(Reconnect, AReplacedAgentDoesNotFight) {
  const NextTry next = policy_.after(sent_away("replaced", milliseconds(1), {}));
  EXPECT_EQ(next.outlook, Outlook::replaced);
  EXPECT_GE(next.wait, minutes(4));
}

}  // namespace
}  // namespace postern::agent
