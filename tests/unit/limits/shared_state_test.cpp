#include "redis_fixture.hpp"
#include "relay/limits/shared_activity.hpp"
#include "relay/limits/shared_breakers.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

/// Two nodes with one Redis.
class SharedState : public RedisTest {
 protected:
  SharedState() : other(quick(server.url()), random) {}
  void start_both() {
    start();
    other.start();
    ASSERT_TRUE(eventually([&] { return other.up(); }));
  }
  void stop_both() {
    client->stop();
    other.stop();
  }
  /// What an answer-once function answers.
  template <class Answer, class Ask>
  static Answer answer_of(Ask ask) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    ask([promise](Answer answer) { promise->set_value(std::move(answer)); });
    if (future.wait_for(10s) != std::future_status::ready) throw std::runtime_error("no answer");
    return future.get();
  }
  void away() {
    server.kill();
    ASSERT_TRUE(eventually([&] { return !client->up() && !other.up(); }));
  }
  void back() {
    server.start();
    ASSERT_TRUE(eventually([&] { return client->up() && other.up(); }));
  }

  ManualClock clock;
  IdGenerator ids{clock, random};
  RedisClient other;
};

class Breakers : public SharedState {
 protected:
  Breakers() : here(*client, clock), there(other, clock) {
    here.on_heard([this](DestinationId) { ++heard_here; });
    there.on_heard([this](DestinationId) { ++heard_there; });
  }
  ~Breakers() override { stop_both(); }
  SharedBreakerState state(std::uint64_t after, const std::string& blob) const {
    return {next_breaker_version(0, clock.now()) + after, blob};
  }
  bool becomes(SharedBreakers& of, const SharedBreakerState& expected) {
    return eventually([&] { return of.known(destination) == expected; });
  }
  DestinationId destination = ids.make<DestinationTag>();
  const std::string key = "postern:breaker:" + destination.to_string();
  std::atomic<int> heard_here{0}, heard_there{0};
  SharedBreakers here, there;
};

TEST_F(Breakers, TheNewestIsHeardEverywhere) {
  start_both();
  EXPECT_EQ(there.known(destination), std::nullopt);
  const auto first = state(5, std::string("\0open\r\n", 7));
  here.publish(destination, first, 10min);
  EXPECT_EQ(here.known(destination), first);
  EXPECT_TRUE(becomes(there, first));
  there.publish(destination, state(4, "old"), 10min);
  EXPECT_EQ(there.known(destination), first) << "it knows better";
  there.publish(destination, state(6, "new"), 10min);
  EXPECT_TRUE(becomes(here, state(6, "new")));
  EXPECT_TRUE(eventually([&] { return heard_here == 1 && heard_there == 1; })) << "nobody hears himself";
}

TEST_F(Breakers, OfOneVersionAllChooseTheSame) {
  here.publish(destination, state(1, "a"), 10min);
  there.publish(destination, state(1, "b"), 10min);
  start_both();
  EXPECT_TRUE(becomes(here, state(1, "b")));
  EXPECT_TRUE(becomes(there, state(1, "b")));
}

TEST_F(Breakers, WhoComesLaterFindsAllOfIt) {
  start_both();
  std::vector<DestinationId> all(200);
  for (DestinationId& id : all) id = ids.make<DestinationTag>();
  for (const DestinationId id : all) here.publish(id, state(1, "open"), 10min);
  ASSERT_TRUE(eventually([&] { return heard_there == 200; }));
  RedisClient late(quick(server.url()), random);
  SharedBreakers newcomer(late, clock);
  EXPECT_FALSE(newcomer.wait_caught_up(0s));
  late.start();
  EXPECT_TRUE(newcomer.wait_caught_up(10s));
  for (const DestinationId id : all) EXPECT_EQ(newcomer.known(id), state(1, "open"));
  late.stop();
}

TEST_F(Breakers, WhatWasSaidWhileRedisWasAwayIsToldAfterwards) {
  start_both();
  here.publish(destination, state(1, "one"), 10min);
  ASSERT_TRUE(becomes(there, state(1, "one")));
  away();
  EXPECT_EQ(there.known(destination), state(1, "one"));
  here.publish(destination, state(2, "two"), 10min);
  EXPECT_EQ(here.known(destination), state(2, "two"));
  back();  // with nothing in it
  EXPECT_TRUE(becomes(there, state(2, "two")));
}

TEST_F(Breakers, AfterAWipeEachTellsWhatItKnows) {
  start_both();
  const DestinationId another = ids.make<DestinationTag>();
  here.publish(destination, state(1, "one"), 10min);
  there.publish(another, state(1, "another"), 10min);
  ASSERT_TRUE(eventually([&] { return heard_here == 1 && heard_there == 1; }));
  server.ask("FLUSHALL");
  EXPECT_TRUE(eventually([&] { return server.ask("ZCARD postern:breakers") == ":2\r\n"; }));
  EXPECT_NE(server.ask("HGET " + key + " blob").find("one"), std::string::npos);
  here.publish(destination, state(2, "two"), 10min);
  EXPECT_TRUE(becomes(there, state(2, "two")));
}

TEST_F(Breakers, ItsTimeEnds) {
  start_both();
  here.publish(destination, state(1, "one"), 10min);
  ASSERT_TRUE(becomes(there, state(1, "one")));
  clock.advance(11min);
  EXPECT_EQ(here.known(destination), std::nullopt);
  clock.advance(24h);
  EXPECT_EQ(there.known(destination), std::nullopt);
  here.publish(destination, state(0, "anew"), 10ms);
  EXPECT_TRUE(eventually([&] { return server.ask("EXISTS " + key) == ":0\r\n"; })) << "in Redis, too";
}

TEST_F(Breakers, GarbageIsIgnoredAndOverwritten) {
  start_both();
  const std::string far = std::to_string(state(0, "").version * 4);
  server.ask("HSET " + key + " version " + far + " blob x");
  server.ask("ZADD postern:breakers 1 " + destination.to_string());
  server.ask("ZADD postern:breakers 2 nonsense");
  server.ask("ZADD postern:breakers inf forever");
  here.publish(destination, state(1, "one"), 10min);
  EXPECT_TRUE(becomes(there, state(1, "one")));
  EXPECT_EQ(heard_here, 0);
}

TEST_F(Breakers, KeysOfAnotherKindAreNoMoreThanErrors) {
  start_both();
  server.ask("SET " + key + " nonsense");
  server.ask("SET postern:breakers nonsense");
  here.publish(destination, state(1, "one"), 10min);
  EXPECT_EQ(ask({"PING"}), "PONG");
  EXPECT_EQ(here.known(destination), state(1, "one"));
  server.ask("FLUSHALL");
  here.publish(destination, state(2, "two"), 10min);
  EXPECT_TRUE(becomes(there, state(2, "two")));
}

TEST_F(Breakers, OneOfAnotherTypeHidesNoOther) {
  const DestinationId another = ids.make<DestinationTag>();
  server.ask("SET postern:breaker:" + another.to_string() + " nonsense");
  server.ask("ZADD postern:breakers 1 " + another.to_string());
  start_both();
  here.publish(destination, state(1, "one"), 10min);
  EXPECT_TRUE(becomes(there, state(1, "one")));
  EXPECT_EQ(there.known(another), std::nullopt);
  here.publish(another, state(1, "another"), 10min);
  EXPECT_TRUE(eventually([&] { return there.known(another) == state(1, "another"); }))
      << "and is overwritten";
}

TEST_F(Breakers, ManyPlacesThatAreNoneArePassedOver) {
  for (int i = 200; i > 0; --i)
    server.ask("ZADD postern:breakers -" + std::to_string(i) + ".5 nonsense" + std::to_string(i));
  start_both();
  EXPECT_TRUE(there.wait_caught_up(10s));
  here.publish(destination, state(1, "one"), 10min);
  EXPECT_TRUE(becomes(there, state(1, "one")));
}

TEST_F(Breakers, ABoundedNumberIsRemembered) {
  for (std::size_t i = 0; i < SharedBreakers::kKeptMost; ++i)
    here.publish(ids.make<DestinationTag>(), state(1, "x"), 10min);
  here.publish(destination, state(1, "one"), 10min);
  EXPECT_EQ(here.known(destination), state(1, "one"));
}

class Activity : public SharedState {
 protected:
  Activity() : here(client.get(), clock), there(&other, clock) { start_both(); }
  ~Activity() override { stop_both(); }
  RecentActivity recent(SharedActivity& by, std::int64_t minutes = 2) {
    return answer_of<RecentActivity>([&](SharedActivity::Found found) { by.recent(source, minutes, found); });
  }
  std::int64_t minute() const { return to_unix_seconds(clock.now()) / 60; }
  SourceId source = ids.make<SourceTag>();
  SharedActivity here, there;
};

TEST_F(Activity, IsTheSumOfAllNodes) {
  for (int i = 0; i < 100; ++i) here.accepted(source);
  for (int i = 0; i < 50; ++i) there.accepted(source);
  there.refused(source);
  const ActivityMinute expected{minute(), 150, 1};
  EXPECT_TRUE(eventually([&] { return recent(here).minutes.back() == expected; }));
  EXPECT_TRUE(recent(here).of_all_nodes);
  EXPECT_EQ(recent(here).minutes.front(), (ActivityMinute{minute() - 1, 0, 0}));
}

TEST_F(Activity, IsThisNodesOwnWhileRedisIsAway) {
  away();
  here.accepted(source);
  const auto alone = recent(here);
  EXPECT_FALSE(alone.of_all_nodes);
  EXPECT_EQ(alone.minutes.back(), (ActivityMinute{minute(), 1, 0}));
  EXPECT_EQ(recent(there).minutes.back(), (ActivityMinute{minute(), 0, 0}));
}

TEST_F(Activity, NeedsNoRedisAndForgetsAfterAnHour) {
  SharedActivity single(nullptr, clock);
  single.accepted(source);
  clock.advance(30min);
  single.refused(source);
  auto hour = recent(single, 60).minutes;
  ASSERT_EQ(hour.size(), 60U);
  EXPECT_EQ(hour.at(29), (ActivityMinute{minute() - 30, 1, 0}));
  EXPECT_EQ(hour.at(59), (ActivityMinute{minute(), 0, 1}));
  clock.advance(60min);
  single.accepted(source);
  hour = recent(single, 1000).minutes;
  ASSERT_EQ(hour.size(), 60U);
  for (std::size_t i = 0; i < 59; ++i) EXPECT_EQ(hour[i].accepted + hour[i].refused, 0U) << i;
}

TEST_F(Activity, ABoundedNumberOfSourcesIsCounted) {
  SharedActivity single(nullptr, clock);
  for (std::size_t i = 0; i < SharedActivity::kSourcesMost; ++i) single.accepted(ids.make<SourceTag>());
  single.accepted(source);
  EXPECT_EQ(recent(single).minutes.back().accepted, 0U);
  clock.advance(61min);
  single.accepted(source);
  EXPECT_EQ(recent(single).minutes.back().accepted, 1U);
}

}  // namespace
}  // namespace postern::relay
