#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/random.hpp"
#include "relay/limits/redis_client.hpp"
#include "tests/support/redis_server.hpp"

namespace postern::relay {

/// Asks until it is so, for at most ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline RedisOptions quick(const std::string& url) {
  RedisOptions options;
  options.target = parse_redis_url(url).value();
  options.retry_base = std::chrono::milliseconds(5);
  options.retry_cap = std::chrono::milliseconds(20);
  return options;
}

/// A server, and a client that is connected to it.
class RedisTest : public testing::Test {
 protected:
  RedisTest() { client = std::make_unique<RedisClient>(quick(server.url()), random); }
  void start() {
    client->start();
    ASSERT_TRUE(eventually([&] { return client->up(); }));
  }
  /// The reply, or the error's code in place of a text.
  static std::string ask(RedisClient& of, std::vector<std::string> words) {
    auto answer = std::make_shared<std::promise<std::string>>();
    auto future = answer->get_future();
    const bool taken = of.run(std::move(words), [answer](Result<RedisReply> reply) {
      if (!reply) return answer->set_value(reply.error().code);
      using Kind = RedisReply::Kind;
      if (reply->kind == Kind::nil) return answer->set_value("nil");
      answer->set_value(reply->kind == Kind::integer ? std::to_string(reply->integer) : reply->text);
    });
    return taken ? future.get() : "refused";
  }
  std::string ask(std::vector<std::string> words) { return ask(*client, std::move(words)); }

  SystemRandom random;
  test::RedisServer server;
  std::unique_ptr<RedisClient> client;
};

}  // namespace postern::relay
