#include "agent/visible.hpp"

#include <gtest/gtest.h>

namespace postern::agent {
namespace {

TEST(Visible, PlainTextStaysAsItIs) {
  EXPECT_EQ(visible(""), "");
  EXPECT_EQ(visible("Größe → 4 KiB, \\x"), "Größe → 4 KiB, \\x");
}

TEST(Visible, WhatATerminalObeysIsShown) {
  EXPECT_EQ(visible("\x1b]0;title\x07"), "\\x1b]0;title\\x07");
  EXPECT_EQ(visible("a\nb\rc\td\x7f"), "a\\x0ab\\x0dc\\x09d\\x7f");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xc2\x9b"
                    "31m"),
            "\\xc2\\x9b31m");  // CSI in one character
  EXPECT_EQ(visible("\xc2\xa0"), "\xc2\xa0");
}

TEST(Visible, WhatIsNotUtf8IsShownByItsBytes) {
  EXPECT_EQ(visible("\x9b"
                    "31m"),
            "\\x9b31m");
  EXPECT_EQ(visible("\xc2"), "\\xc2");
}

TEST(Visible, LinesMayStayLines) {
  EXPECT_EQ(visible_lines("a\nb\x1b\r\n"), "a\nb\\x1b\\x0d\n");
}

}  // namespace
}  // namespace postern::agent
