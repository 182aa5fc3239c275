// The log's lines when what they are written to is full in the middle of one.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/log.hpp"

namespace postern {
namespace {

/// A pipe of one page that nobody empties, in place of stderr.
class LogCutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0);
    ASSERT_GT(::fcntl(ends_[1], F_SETPIPE_SZ, 4096), 0);
    stderr_ = ::dup(STDERR_FILENO);
    ASSERT_EQ(::dup2(ends_[1], STDERR_FILENO), STDERR_FILENO);
  }
  void TearDown() override {
    ::dup2(stderr_, STDERR_FILENO);
    for (const int it : {stderr_, ends_[0], ends_[1]}) ::close(it);
  }
  std::string emptied() const {
    std::string all;
    std::array<char, 4096> some{};
    ssize_t got = 0;
    while ((got = ::read(ends_[0], some.data(), some.size())) > 0)
      all.append(some.data(), static_cast<std::size_t>(got));
    return all;
  }
  static void say(std::string_view event, std::size_t size = 0) {
    log::error(event, {{"x", std::string(size, 'x')}});
  }

 private:
  std::array<int, 2> ends_{};
  int stderr_ = -1;
};

TEST_F(LogCutTest, WhatFollowsHalfALineBeginsOnALineOfItsOwn) {
  say("cut", 6'000);
  EXPECT_EQ(emptied().find('\n'), std::string::npos);
  say("next");
  EXPECT_EQ(emptied().front(), '\n');
  say("after");
  EXPECT_NE(emptied().front(), '\n') << "once";
}

TEST_F(LogCutTest, ALineThatIsLostAsAWholeChangesNothing) {
  say("cut", 6'000);
  say("lost");
  EXPECT_EQ(emptied().find("lost"), std::string::npos);
  say("next");
  EXPECT_EQ(emptied().front(), '\n');
}

}  // namespace
}  // namespace postern
