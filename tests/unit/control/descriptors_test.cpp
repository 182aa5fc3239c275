#include "control/descriptors.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace postern::control {
namespace {

TEST(Descriptors, AListenerNeverTakesThemAll) {
  EXPECT_EQ(affordable(10'000, 1'000'000, 2), 10'000U);
  EXPECT_EQ(affordable(10'000, std::numeric_limits<std::size_t>::max(), 2), 10'000U) << "unlimited";
  EXPECT_EQ(affordable(10'000, 1024, 2), 512U);
  EXPECT_EQ(affordable(20'000, 1024, 4), 256U);
  EXPECT_EQ(affordable(5, 1, 4), 1U);
}

}  // namespace
}  // namespace postern::control
