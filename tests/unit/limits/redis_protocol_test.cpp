#include "relay/limits/redis_protocol.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

TEST(RedisProtocol, CommandsCarryAnyBytes) {
  std::string out = "x";
  append_command(out, std::vector<std::string>{"SET", "", std::string("\0\r\n", 3)});
  EXPECT_EQ(out, std::string("x*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\n\0\r\n\r\n", 29));
}

TEST(RedisProtocol, RepliesAreTheSameHoweverTheyAreCut) {
  const std::string stream = ":42\r\n+OK\r\n$-1\r\n-ERR no\r\n*2\r\n$3\r\na\r\n\r\n*1\r\n:7\r\n";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    RedisReplies replies;
    std::vector<RedisReply> got;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      replies.feed(std::string_view(stream).substr(at, step));
      for (auto next = replies.next(); next && *next; next = replies.next()) got.push_back(**next);
    }
    ASSERT_EQ(got.size(), 5U) << step;
    EXPECT_EQ(got[0].integer, 42);
    EXPECT_EQ(got[1].text, "OK");
    EXPECT_EQ(got[2].kind, RedisReply::Kind::nil);
    EXPECT_TRUE(got[3].is_error());
    ASSERT_EQ(got[4].items.size(), 2U);
    EXPECT_EQ(got[4].items[0].text, "a\r\n");
    EXPECT_EQ(got[4].items[1].items.at(0).integer, 7);
  }
}

TEST(RedisProtocol, WhatIsNoRespIsAnError) {
  RedisReplies replies;
  replies.feed("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_EQ(replies.next().error().code, "redis_garbled");
}

TEST(RedisProtocol, AReplyIsBounded) {
  RedisReplies replies;
  replies.feed("$500000000\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) {
    replies.feed(piece);
    if (!replies.next()) return SUCCEED();
  }
  FAIL() << "eight megabytes were taken";
}

}  // namespace
}  // namespace postern::relay
