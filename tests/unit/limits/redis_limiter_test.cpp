#include "relay/limits/redis_limiter.hpp"

#include "redis_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

/// Two nodes with one Redis.
class RedisLimiterTest : public RedisTest {
 protected:
  struct Node {
    Node(const std::string& url, const Clock& clock, Random& random, RedisLimiterOptions options)
        : client(quick(url), random), limiter(client, clock, metrics, std::move(options)) {
      client.start();
    }
    ~Node() { client.stop(); }

    double told(const std::string& result) {
      const auto families = metrics.Collect();
      for (const auto& metric : families.at(0).metric) {
        if (metric.label.at(0).value == result) return metric.counter.value;
      }
      return -1;
    }
    prometheus::Registry metrics;
    RedisClient client;
    RedisLimiter limiter;
  };

  RedisLimiterTest() : a(server.url(), clock, random, {}), b(server.url(), clock, random, {}) {
    EXPECT_TRUE(eventually([&] { return a.client.up() && b.client.up(); }));
  }
  int take(Node& node, int times) {
    int allowed = 0;
    for (int i = 0; i < times; ++i) allowed += node.limiter.take("source:x", limit, clock.steady()).allowed;
    return allowed;
  }
  void settle(Node& node) {
    EXPECT_TRUE(eventually([&] { return node.limiter.unheard() == 0; }));
  }

  SystemClock clock;
  RateLimit limit{1, 40};  ///< slow: what the test's own time brings does not matter
  Node a, b;
};

TEST_F(RedisLimiterTest, WhatOneNodeLetThroughTheOtherLacks) {
  EXPECT_EQ(take(a, 30), 30);
  settle(a);
  EXPECT_EQ(take(b, 1), 1) << "it tells of this one, and hears of the thirty";
  settle(b);
  const int left = take(b, 100);
  EXPECT_GE(left, 8);
  EXPECT_LE(left, 11) << "9 are left, and what a second or two brings";
}

TEST_F(RedisLimiterTest, TakesWaitForNobodyWhileRedisHangs) {
  take(a, 1);
  settle(a);
  server.freeze();
  const auto began = std::chrono::steady_clock::now();
  int allowed = 0;
  for (int i = 0; i < 20'000; ++i) allowed += take(a, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
  EXPECT_GE(allowed, 39);
  EXPECT_LE(allowed, 42) << "limited by itself, not unlimited";
  server.thaw();
}

TEST_F(RedisLimiterTest, GoesOnWithoutRedisAndSharesAgainAfterwards) {
  server.kill();
  ASSERT_TRUE(eventually([&] { return !a.client.up() && !b.client.up(); }));
  EXPECT_EQ(take(a, 10), 10);
  EXPECT_EQ(take(b, 10), 10);
  EXPECT_LE(take(a, 100), 32);
  server.start();
  ASSERT_TRUE(eventually([&] { return a.client.up() && b.client.up(); }));
  limit = {1, 80};
  EXPECT_EQ(take(b, 60), 60) << "60 of a limit of another burst";
}

TEST_F(RedisLimiterTest, AWipeHarmsNothing) {
  take(a, 30);
  settle(a);
  server.ask("FLUSHALL");
  EXPECT_LE(take(a, 100), 12) << "it remembers what it let through itself";
}

TEST_F(RedisLimiterTest, AValueThatIsNotOursHarmsNothing) {
  take(a, 1);
  settle(a);
  const std::string key = "postern:limit:source:x:1000000:40";
  EXPECT_NE(server.ask("GET " + key), "$-1\r\n");
  server.ask("SET " + key + " nonsense");
  EXPECT_EQ(take(a, 1), 1);
  settle(a);
  server.ask("DEL " + key);
  server.ask("LPUSH " + key + " x");
  EXPECT_EQ(take(a, 1), 1);
  EXPECT_TRUE(eventually([&] { return a.told("unheard") >= 1; }));
  EXPECT_EQ(take(a, 1), 1);
}

TEST_F(RedisLimiterTest, WhatIsGivenBackIsEverybodys) {
  take(a, 40);
  for (int i = 0; i < 40; ++i) a.limiter.give_back("source:x", limit, clock.steady());
  settle(a);
  take(b, 1);
  settle(b);
  EXPECT_GE(take(b, 100), 36) << "some may have been told before they were given back";
}

TEST_F(RedisLimiterTest, StateInRedisGoesByItself) {
  take(a, 1);
  settle(a);
  const std::string left = server.ask("PTTL postern:limit:source:x:1000000:40");
  ASSERT_TRUE(left.starts_with(":"));
  EXPECT_GT(std::stoi(left.substr(1)), 0);
  EXPECT_LE(std::stoi(left.substr(1)), 2001);
}

TEST_F(RedisLimiterTest, ManyThreadsAndKeysAtOnce) {
  std::atomic<int> allowed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Node& node = t % 2 == 0 ? a : b;
        for (int i = 0; i < 20'000; ++i) {
          const std::string key = std::to_string(i % 300);
          allowed += node.limiter.take(key, {1, 10}, clock.steady()).allowed;
        }
      });
    }
  }
  EXPECT_GE(allowed, 300 * 10);
  EXPECT_LE(allowed, 300 * 2 * 14) << "a burst of each node, and what a few seconds bring";
}

}  // namespace
}  // namespace postern::relay
