#include "redis_fixture.hpp"
#include "tests/support/scripted_server.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

TEST_F(RedisTest, AnswersInOrderWhoeverAsks) {
  start();
  EXPECT_EQ(ask({"SET", "a", std::string("\0\r\n", 3)}), "OK");
  EXPECT_EQ(ask({"GET", "a"}), std::string("\0\r\n", 3));
  EXPECT_EQ(ask({"GET", "b"}), "nil");
  EXPECT_EQ(ask({"INCR", "a"}), "ERR value is not an integer or out of range");
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(t * 1000 + i);
        if (ask({"ECHO", text}) != text) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(RedisTest, ScriptsAreSaidInFullWhenTheServerForgotThem) {
  start();
  const RedisScript script("return {KEYS[1], ARGV[1]}");
  for (int i = 0; i < 3; ++i) {
    std::promise<RedisReply> answer;
    ASSERT_TRUE(client->run(script, {"k"}, {"v"},
                            [&](Result<RedisReply> reply) { answer.set_value(reply.value()); }));
    const RedisReply reply = answer.get_future().get();
    ASSERT_EQ(reply.items.size(), 2U) << reply.text;
    EXPECT_EQ(reply.items[1].text, "v");
    if (i == 1) server.ask("SCRIPT FLUSH");
  }
}

TEST_F(RedisTest, ComesBackAfterTheServerWasKilled) {
  std::atomic<int> ups = 0, downs = 0;
  auto options = quick(server.url());
  options.on_change = [&](bool up) { ++(up ? ups : downs); };
  client = std::make_unique<RedisClient>(std::move(options), random);
  start();
  server.kill();
  ASSERT_TRUE(eventually([&] { return !client->up(); }));
  EXPECT_EQ(ask({"PING"}), "redis_away");
  server.start();
  ASSERT_TRUE(eventually([&] { return client->up(); }));
  EXPECT_EQ(ask({"PING"}), "PONG");
  client->stop();
  EXPECT_EQ(ups, 2);
  EXPECT_EQ(downs, 1);
}

TEST_F(RedisTest, AServerThatHangsCostsItsTimeAndNoMore) {
  start();
  server.freeze();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(ask({"PING"}), "redis_late");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
  EXPECT_FALSE(client->up());
  EXPECT_EQ(ask({"PING"}), "redis_away");
  server.thaw();
  ASSERT_TRUE(eventually([&] { return client->up(); }));
  EXPECT_EQ(ask({"ECHO", "x"}), "x") << "an answer of before must not be taken for this one's";
}

TEST_F(RedisTest, OpenCommandsAreBounded) {
  auto options = quick(server.url());
  options.commands_most = 10;
  options.command_time = 10s;
  client = std::make_unique<RedisClient>(std::move(options), random);
  start();
  ASSERT_TRUE(eventually([&] { return ask({"PING"}) == "PONG"; }));
  server.freeze();
  std::atomic<int> done = 0;
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += client->run({"PING"}, [&](Result<RedisReply>) { ++done; });
  EXPECT_EQ(taken, 10);
  server.thaw();
  EXPECT_TRUE(eventually([&] { return done == 10; }));
  EXPECT_EQ(ask({"PING"}), "PONG");
}

TEST_F(RedisTest, EveryCommandIsDoneOnceWhenItStops) {
  start();
  server.freeze();
  std::atomic<int> stopped = 0, done = 0;
  std::atomic<int> taken = 0;
  std::jthread other([&] {
    for (int i = 0; i < 2000; ++i) {
      taken += client->run({"PING"}, [&](Result<RedisReply> reply) {
        ++done;
        if (!reply && reply.error().code == "redis_stopped") ++stopped;
      });
    }
  });
  while (done == 0 && taken == 0) std::this_thread::yield();
  client->stop();
  other.join();
  EXPECT_EQ(done, taken);
  EXPECT_GT(stopped, 0);
  EXPECT_FALSE(client->run({"PING"}, [](Result<RedisReply>) { FAIL(); }));
  client->stop();
}

TEST_F(RedisTest, WhatWasGivenToOneThatNeverRanIsDone) {
  std::string code;
  ASSERT_TRUE(client->run({"PING"}, [&](Result<RedisReply> reply) { code = reply.error().code; }));
  client->stop();
  EXPECT_EQ(code, "redis_stopped");
}

TEST_F(RedisTest, TasksRunUntilItStops) {
  std::atomic<int> ticks = 0;
  client->every(1ms, [&] { ++ticks; });
  start();
  EXPECT_TRUE(eventually([&] { return ticks > 5; }));
  client->stop();
  const int then = ticks;
  client->post([&] { ticks = -1; });
  EXPECT_EQ(ticks, then);
}

TEST_F(RedisTest, LogsInAndChoosesItsDatabase) {
  test::RedisServer guarded({"--requirepass", "hunter2"});
  auto options = quick(guarded.url());
  options.target.password = "hunter2";
  options.target.database = 5;
  RedisClient right(options, random);
  right.start();
  ASSERT_TRUE(eventually([&] { return right.up(); }));
  EXPECT_EQ(ask(right, {"SET", "a", "1"}), "OK");
  EXPECT_EQ(ask(right, {"SELECT", "0"}), "OK");
  EXPECT_EQ(ask(right, {"GET", "a"}), "nil");
  options.target.password = "wrong";
  RedisClient wrong(options, random);
  wrong.start();
  EXPECT_EQ(ask(wrong, {"PING"}), "redis_away");
  options.target.password = "";
  RedisClient none(options, random);
  none.start();
  EXPECT_EQ(ask(none, {"PING"}), "redis_away");
}

TEST(RedisClient, SomethingElseAtItsAddressIsJustAway) {
  SystemRandom random;
  std::atomic<int> connections = 0;
  test::ScriptedServer other([&](test::ScriptedServer::Peer& peer, int) {
    peer.read_until("PING\r\n");
    peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    ++connections;
  });
  RedisClient client(quick(fmt::format("redis://127.0.0.1:{}", other.port())), random);
  client.start();
  EXPECT_TRUE(eventually([&] { return connections >= 2; }));
  EXPECT_FALSE(client.up());
}

TEST(RedisClient, StopsWhileItConnects) {
  SystemRandom random;
  for (const char* url : {"redis://192.0.2.1", "redis://127.0.0.1:1", "redis://no-such-host.invalid"}) {
    RedisClient client(quick(url), random);
    client.start();
    const auto began = std::chrono::steady_clock::now();
    client.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s) << url;
  }
}

}  // namespace
}  // namespace postern::relay
