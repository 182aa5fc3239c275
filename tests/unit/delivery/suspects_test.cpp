#include "relay/delivery/suspects.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

Launch crashed(unsigned crashes, unsigned tries = 0) {
  Launch launch;
  launch.job.leased.crashes = crashes;
  launch.ticket.tries = tries;
  return launch;
}

TEST(Suspects, AreTriedInSmallerCompanyEachTime) {
  EXPECT_GT(Suspects::together(1), Suspects::together(2));
  EXPECT_GT(Suspects::together(2), Suspects::together(3));
  EXPECT_EQ(Suspects::together(3), 1U);
  EXPECT_EQ(Suspects::together(EventLog::kCrashesMost), 1U) << "the last one counted is alone";
}

TEST(Suspects, OneCompanyAtATimeAndTheLeastSuspectFirst) {
  Suspects suspects;
  suspects.add(crashed(4, 44));
  for (int i = 0; i < 20; ++i) suspects.add(crashed(2));
  const auto first = suspects.next();
  EXPECT_EQ(first.size(), Suspects::together(2));
  EXPECT_TRUE(suspects.next().empty());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(suspects.next().empty());
    suspects.over();
  }
  const auto second = suspects.next();
  EXPECT_EQ(second.size(), 20 - Suspects::together(2));
  for (std::size_t i = 0; i < second.size(); ++i) suspects.over();
  const auto last = suspects.next();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].ticket.tries, 44U);
  EXPECT_FALSE(suspects.idle());
  suspects.over();
  EXPECT_TRUE(suspects.idle());
}

TEST(Suspects, WhatWaitsCanBeGivenUp) {
  Suspects suspects;
  for (int i = 0; i < 300; ++i) suspects.add(crashed(1));
  const std::size_t trying = suspects.next().size();
  EXPECT_EQ(suspects.give_up().size(), 300 - trying);
  EXPECT_TRUE(suspects.next().empty());
}

}  // namespace
}  // namespace postern::relay
