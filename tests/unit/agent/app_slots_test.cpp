#include "agent/app_slots.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace postern::agent {
namespace {

TEST(AppSlots, AnAppGetsNoMoreThanItsBound) {
  AppSlots slots;
  std::vector<AppSlots::Hold> held;
  for (int i = 0; i < 2; ++i) {
    auto slot = slots.take("a:1", 2);
    ASSERT_TRUE(slot);
    held.push_back(std::move(*slot));
  }
  EXPECT_FALSE(slots.take("a:1", 2));
  EXPECT_TRUE(slots.take("b:1", 2));
  held.pop_back();
  EXPECT_EQ(slots.in_flight("a:1"), 1U);
  EXPECT_TRUE(slots.take("a:1", 2));
}

TEST(AppSlots, ABoundThatIsLoweredTakesNothingAway) {
  AppSlots slots;
  auto first = slots.take("a:1", 0);
  auto second = slots.take("a:1", 0);
  EXPECT_FALSE(slots.take("a:1", 1));
  first.reset();
  EXPECT_FALSE(slots.take("a:1", 1));
  second.reset();
  EXPECT_TRUE(slots.take("a:1", 1));
}

TEST(AppSlots, AHoldMayOutliveThem) {
  auto hold = [] {
    AppSlots slots;
    return slots.take("a:1", 1);
  }();
  EXPECT_TRUE(hold);
  hold.reset();
}

}  // namespace
}  // namespace postern::agent
