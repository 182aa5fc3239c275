#include "relay/delivery/suspects.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
constexpr SteadyTime at(Duration since) {
  return SteadyTime(since);
}

std::uint64_t next_token = 1;
Launch crashed(unsigned crashes) {
  Launch launch;
  launch.job.leased.crashes = crashes;
  launch.ticket.lease_token = next_token++;
  return launch;
}

TEST(Suspects, AreTriedInSmallerCompanyEachTime) {
  EXPECT_GT(Suspects::together(1), Suspects::together(2));
  EXPECT_GT(Suspects::together(2), Suspects::together(3));
  EXPECT_EQ(Suspects::together(3), 1U);
  EXPECT_EQ(Suspects::together(EventLog::kCrashesMost), 1U) << "the last one counted is alone";
}

TEST(Suspects, TheMostSuspectDecidesHowManyAndTheLeastGoesFirst) {
  Suspects suspects;
  suspects.add(crashed(4));
  for (int i = 0; i < 20; ++i) suspects.add(crashed(2));
  const auto first = suspects.next(at(0s));
  ASSERT_EQ(first.size(), Suspects::together(2));
  for (const Launch& it : first) EXPECT_EQ(it.job.leased.crashes, 2U);
  EXPECT_TRUE(suspects.next(at(0s)).empty());
  suspects.over(first[0].ticket.lease_token);
  EXPECT_EQ(suspects.next(at(0s)).size(), 1U) << "a place is free at once: nobody waits for the slowest";
  for (std::size_t i = 1; i < first.size(); ++i) suspects.over(first[i].ticket.lease_token);
  const auto rest = suspects.next(at(0s));
  ASSERT_EQ(rest.size(), 3U);
  for (const Launch& it : rest) EXPECT_EQ(it.job.leased.crashes, 2U);
  EXPECT_TRUE(suspects.next(at(1s)).empty()) << "the worst one is tried alone";
  const auto last = suspects.next(at(Suspects::kProven));
  ASSERT_EQ(last.size(), 1U) << "those that have survived so long are in nobody's way";
  EXPECT_EQ(last[0].job.leased.crashes, 4U);
  suspects.over(last[0].ticket.lease_token);
  EXPECT_TRUE(suspects.idle());
}

TEST(Suspects, ThoseThatAreNotAdmittedWaitAndHoldUpNoOthers) {
  Suspects suspects;
  for (int i = 0; i < 4; ++i) suspects.add(crashed(2));
  suspects.add(crashed(3));
  const std::uint64_t shut = next_token - 5;  // the first
  const auto first = suspects.next(at(0s), [&](const Launch& it) { return it.ticket.lease_token != shut; });
  ASSERT_EQ(first.size(), 3U) << "and the most suspect goes alone";
  for (const Launch& it : first) EXPECT_NE(it.ticket.lease_token, shut);
  const auto second = suspects.next(at(0s));
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].ticket.lease_token, shut);
}

TEST(Suspects, WhatWaitsCanBeGivenUp) {
  Suspects suspects;
  for (int i = 0; i < 300; ++i) suspects.add(crashed(1));
  const std::size_t trying = suspects.next(at(0s)).size();
  EXPECT_EQ(suspects.give_up().size(), 300 - trying);
  EXPECT_TRUE(suspects.next(at(0s)).empty());
}

}  // namespace
}  // namespace postern::relay
