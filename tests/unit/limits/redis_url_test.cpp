#include "relay/limits/redis_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RedisUrl, HasDefaults) {
  const auto target = parse_redis_url("redis://cache.internal").value();
  EXPECT_EQ(target.host, "cache.internal");
  EXPECT_EQ(target.port, 6379);
  EXPECT_EQ(target.database, 0U);
  EXPECT_TRUE(target.password.empty());
}

TEST(RedisUrl, MaySayEverything) {
  const auto target = parse_redis_url("redis://relay:p%40ss%3Aword@[::1]:7000/3").value();
  EXPECT_EQ(target.host, "::1");
  EXPECT_EQ(target.port, 7000);
  EXPECT_EQ(target.database, 3U);
  EXPECT_EQ(target.user, "relay");
  EXPECT_EQ(target.password, "p@ss:word");
  EXPECT_EQ(target.shown(), "redis://[::1]:7000/3");
  EXPECT_EQ(parse_redis_url("redis://:secret@10.0.0.1/").value().password, "secret");
  EXPECT_EQ(parse_redis_url("redis://[::1]").value().host, "::1");
  EXPECT_EQ(parse_redis_url("unix:/run/redis.sock").value().socket_path, "/run/redis.sock");
}

TEST(RedisUrl, IsRefusedWithoutSayingThePassword) {
  for (const char* wrong :
       {"", "localhost:6379", "http://x", "redis://", "redis://:6379", "redis://x:0", "redis://x:port",
        "redis://x/one", "redis://x/9999999999", "redis://onlyuser@x", "redis://:hunter2@",
        "redis://a:hunter2@x:y", "redis://a:%zz@x", "unix:run/redis.sock", "unix:"}) {
    const auto parsed = parse_redis_url(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().code, "invalid_redis_url");
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(parse_redis_url("rediss://x").error().message, HasSubstr("stunnel"));
}

}  // namespace
}  // namespace postern::relay
