#include "relay/delivery/slow_start.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

/// Good answers until more than one may be in flight.
unsigned one_by_one(SlowStart& start, unsigned concurrency) {
  unsigned answers = 0;
  for (; start.window(concurrency) == 1; ++answers) start.answered(true, concurrency);
  return answers;
}

TEST(SlowStart, BeginsWithOneAndDoubles) {
  SlowStart start;
  EXPECT_EQ(start.window(32), 32u);
  start.restart();
  EXPECT_EQ(one_by_one(start, 32), SlowStart::kOneByOne);
  EXPECT_EQ(start.window(32), 2u);
  for (unsigned i = 0; i < SlowStart::kDoubleAfter; ++i) start.answered(true, 32);
  EXPECT_EQ(start.window(32), 4u);
}

TEST(SlowStart, ABadAnswerBeginsTheRowAnew) {
  SlowStart start;
  start.restart();
  for (unsigned i = 1; i < SlowStart::kOneByOne; ++i) start.answered(true, 32);
  start.answered(false, 32);
  EXPECT_EQ(one_by_one(start, 32), SlowStart::kOneByOne);
}

TEST(SlowStart, OneThatKeepsLeavingBeforeItIsThroughNeedsEverFewer) {
  SlowStart start;
  unsigned before = 2 * SlowStart::kOneByOne;
  for (int i = 0; i < 10; ++i) {
    start.restart();
    const unsigned now = one_by_one(start, 32);
    EXPECT_EQ(now, std::max(before / 2, SlowStart::kOneByOneLeast));
    before = now;
  }
  start.open();
  start.restart();
  EXPECT_EQ(one_by_one(start, 32), SlowStart::kOneByOne);
}

}  // namespace
}  // namespace postern::relay
