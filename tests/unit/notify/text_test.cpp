#include "relay/notify/text.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

TEST(MrkdwnText, EscapesWhatSlackParses) {
  EXPECT_EQ(mrkdwn_text("<!channel> <@U123> & <https://evil.example|click>", 200),
            "&lt;!channel&gt; &lt;@U123&gt; &amp; &lt;https://evil.example|click&gt;");
  EXPECT_EQ(mrkdwn_text("&lt;!channel&gt;", 200), "&amp;lt;!channel&amp;gt;");
}

TEST(MrkdwnText, BreaksBroadcastWordsInAnyCase) {
  for (const std::string_view word : {"@channel", "@here", "@everyone", "@group", "@Channel", "@HERE"}) {
    const std::string shown = mrkdwn_text("hey " + std::string(word) + "!", 100);
    EXPECT_EQ(shown.find(word), std::string::npos) << word;
    EXPECT_NE(shown.find("@\xe2\x80\x8b" + std::string(word.substr(1))), std::string::npos) << word;
  }
  EXPECT_EQ(mrkdwn_text("me@example.com", 100), "me@example.com");
}

TEST(MrkdwnText, ABroadcastWordCannotBeHiddenBehindInvisibleCharacters) {
  const std::string shown = mrkdwn_text(
      "@\xe2\x80\x8b"
      "channel @\xe2\x80\x8d"
      "here",
      100);
  EXPECT_EQ(shown,
            "@\xe2\x80\x8b"
            "channel @\xe2\x80\x8b"
            "here");
}

TEST(PlainText, HasNoAngleBracketsAndNoBroadcasts) {
  EXPECT_EQ(plain_text("<!here> a & b", 100), "\xe2\x80\xb9!here\xe2\x80\xba a & b");
  EXPECT_EQ(plain_text("@here", 100), "@\xe2\x80\x8bhere");
}

TEST(Text, IsOneLineWithoutControls) {
  EXPECT_EQ(plain_text("  a\r\n\tb\x01\x7f c\xe2\x80\xa8"
                       "d\xc2\x85"
                       "e  ",
                       100),
            "a b c d e");
  EXPECT_EQ(plain_text(std::string_view("a\0b", 3), 100), "a b");
  EXPECT_EQ(plain_text("invoice\xe2\x80\xae"
                       "exe.gpj\xe2\x81\xa6",
                       100),
            "invoiceexe.gpj");
  EXPECT_EQ(plain_text("\xef\xbb\xbfx\xc2\xad", 100), "x");
}

TEST(Text, IsUtf8WhateverComesIn) {
  EXPECT_EQ(plain_text("a\xff"
                       "b",
                       100),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(plain_text("\xed\xa0\x80", 100), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(plain_text("cut \xe2\x82", 100), "cut \xef\xbf\xbd\xef\xbf\xbd");
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  for (std::size_t limit = 0; limit < 300; ++limit) {
    EXPECT_TRUE(is_utf8(plain_text(every, limit))) << limit;
    EXPECT_TRUE(is_utf8(mrkdwn_text(every, limit))) << limit;
  }
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST(Text, IsCutBetweenCharactersWithAnEllipsis) {
  EXPECT_EQ(plain_text("12345", 5), "12345");
  EXPECT_EQ(plain_text("123456", 5), "1234\xe2\x80\xa6");
  EXPECT_EQ(plain_text("\xc3\xa9\xc3\xa9\xc3\xa9", 2), "\xc3\xa9\xe2\x80\xa6");
  EXPECT_EQ(plain_text("\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80", 1), "\xe2\x80\xa6");
  EXPECT_EQ(plain_text("x", 0), "");
}

TEST(Text, NoEntityIsCutAndTheLimitCountsWhatIsWritten) {
  EXPECT_EQ(mrkdwn_text("<<", 8), "&lt;&lt;");
  EXPECT_EQ(mrkdwn_text("<<", 7), "&lt;\xe2\x80\xa6");
  EXPECT_EQ(mrkdwn_text("<<", 4), "\xe2\x80\xa6");
  for (std::size_t limit = 0; limit < 64; ++limit) {
    const std::string shown = mrkdwn_text("&<>@here \xf0\x9f\x9a\x80&&&&&&&&", limit);
    EXPECT_LE(characters(shown), limit);
    const auto last = shown.rfind('&');
    if (last != std::string::npos) EXPECT_NE(shown.find(';', last), std::string::npos) << shown;
  }
}

TEST(Text, MegabytesOfBlanksOrBracketsAreCutToo) {
  EXPECT_LE(characters(plain_text(std::string(5'000'000, '<'), 150)), 150u);
  EXPECT_LE(characters(mrkdwn_text(std::string(5'000'000, ' ') + "x", 150)), 150u);
}

}  // namespace
}  // namespace postern::relay
