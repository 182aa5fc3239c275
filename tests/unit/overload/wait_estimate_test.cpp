#include "relay/overload/wait_estimate.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

struct WaitEstimateTest : testing::Test {
  /// A tick in which writers were busy for `busy` with `taken` events, and what waits after it.
  Duration tick(std::uint64_t taken, Duration busy, std::size_t waiting, Duration oldest = {}) {
    pressure.appends_taken += taken;
    pressure.busy += busy;
    pressure.appends_waiting = waiting;
    pressure.oldest_append = oldest;
    return estimate.look(pressure);
  }
  StorePressure pressure;
  WaitEstimate estimate;
};

TEST_F(WaitEstimateTest, KnowsNothingBeforeAnythingWasWritten) {
  EXPECT_EQ(tick(0, 0ms, 1000), 0ms);
}

TEST_F(WaitEstimateTest, SaysWhatALongQueueWillTake) {
  EXPECT_EQ(tick(1000, 25ms, 16'000), 400ms);
}

TEST_F(WaitEstimateTest, TimeInWhichNothingWaitedDoesNotCount) {
  tick(10, 1ms, 0);
  EXPECT_EQ(tick(0, 0ms, 0), 0ms);
  EXPECT_EQ(tick(0, 0ms, 100), 10ms);
}

TEST_F(WaitEstimateTest, AStoreThatStandsStillIsToldByTheOldest) {
  tick(1000, 25ms, 0);
  EXPECT_EQ(tick(0, 25ms, 1, 700ms), 700ms);
}

TEST_F(WaitEstimateTest, ManyInAGroupOutweighTheFewBefore) {
  for (int i = 0; i < 50; ++i) tick(1, 2ms, 0);
  EXPECT_GT(tick(0, 0ms, 1000), 1s) << "alone each took 2 ms";
  EXPECT_LT(tick(1000, 25ms, 1000), 50ms);
}

}  // namespace
}  // namespace postern::relay
