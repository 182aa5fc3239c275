#include "redis_fixture.hpp"
#include "relay/limits/shared_activity.hpp"
#include "relay/limits/shared_breakers.hpp"
#include "relay/limits/shared_presence.hpp"

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

class Presence : public SharedState {
 protected:
  Presence() {
    here = std::make_unique<SharedPresence>(*client, PresenceOptions{.node = "a", .lifetime = 60ms});
    there = std::make_unique<SharedPresence>(other, PresenceOptions{.node = "b", .lifetime = 60ms});
    said_once_here = std::make_unique<SharedPresence>(*client, PresenceOptions{.node = "a", .lifetime = 1h});
    said_once_there = std::make_unique<SharedPresence>(other, PresenceOptions{.node = "b", .lifetime = 1h});
    start_both();
  }
  ~Presence() override { stop_both(); }
  std::string where(SharedPresence& asked) {
    return answer_of<std::optional<std::string>>(
               [&](SharedPresence::Found found) { asked.find(agent, found); })
        .value_or("nowhere");
  }
  AgentId agent = ids.make<AgentTag>();
  std::unique_ptr<SharedPresence> here, there, said_once_here, said_once_there;
};

TEST_F(Presence, IsKnownEverywhereUntilTheAgentLeaves) {
  EXPECT_EQ(where(*there), "nowhere");
  here->arrived(agent);
  EXPECT_EQ(where(*here), "a");
  EXPECT_TRUE(eventually([&] { return where(*there) == "a"; }));
  here->left(agent);
  EXPECT_EQ(where(*here), "nowhere");
  EXPECT_TRUE(eventually([&] { return where(*there) == "nowhere"; }));
}

TEST_F(Presence, IsSaidAgainAfterAWipeAndAfterAnOutage) {
  here->arrived(agent);
  ASSERT_TRUE(eventually([&] { return where(*there) == "a"; }));
  server.ask("FLUSHALL");
  EXPECT_TRUE(eventually([&] { return where(*there) == "a"; }));
  away();
  EXPECT_EQ(where(*here), "a") << "known in memory";
  EXPECT_EQ(where(*there), "nowhere");
  back();
  EXPECT_TRUE(eventually([&] { return where(*there) == "a"; }));
}

TEST_F(Presence, OfANodeThatDiedGoesByItself) {
  here->arrived(agent);
  ASSERT_TRUE(eventually([&] { return where(*there) == "a"; }));
  client->stop();
  EXPECT_TRUE(eventually([&] { return where(*there) == "nowhere"; }));
}

TEST_F(Presence, ALateGoodbyeDoesNotHideWhereTheAgentWent) {
  const std::string asked = "GET postern:presence:" + agent.to_string();
  said_once_here->arrived(agent);
  ASSERT_TRUE(eventually([&] { return server.ask(asked) == "$1\r\na\r\n"; }));
  said_once_there->arrived(agent);
  ASSERT_TRUE(eventually([&] { return server.ask(asked) == "$1\r\nb\r\n"; }));
  said_once_here->left(agent);
  EXPECT_EQ(where(*said_once_here), "b");
}

class Breakers : public SharedState {
 protected:
  Breakers() : here(*client, clock), there(other, clock) { start_both(); }
  ~Breakers() override { stop_both(); }
  SharedBreakerState publish(SharedBreakers& by, std::uint64_t version, const std::string& blob) {
    return answer_of<std::optional<SharedBreakerState>>(
               [&](SharedBreakers::Found found) { by.publish(destination, {version, blob}, 10s, found); })
        .value();
  }
  std::optional<SharedBreakerState> fetch(SharedBreakers& by) {
    return answer_of<std::optional<SharedBreakerState>>(
        [&](SharedBreakers::Found found) { by.fetch(destination, found); });
  }
  DestinationId destination = ids.make<DestinationTag>();
  SharedBreakers here, there;
};

TEST_F(Breakers, TheNewestVersionWins) {
  EXPECT_EQ(fetch(there), std::nullopt);
  const std::string bytes("\0open\r\n", 7);
  EXPECT_EQ(publish(here, 5, bytes).version, 5U);
  EXPECT_EQ(fetch(there), (SharedBreakerState{5, bytes}));
  EXPECT_EQ(publish(there, 4, "old").version, 5U) << "the older one learns what stands";
  EXPECT_EQ(publish(there, 6, "new").blob, "new");
  EXPECT_EQ(fetch(here), (SharedBreakerState{6, "new"}));
}

TEST_F(Breakers, MemoryStandsInWhileRedisIsAway) {
  publish(here, 1, "one");
  ASSERT_TRUE(fetch(there));
  away();
  EXPECT_EQ(fetch(there), (SharedBreakerState{1, "one"}));
  EXPECT_EQ(publish(here, 2, "two").version, 2U);
  EXPECT_EQ(fetch(here), (SharedBreakerState{2, "two"}));
  EXPECT_EQ(fetch(there), (SharedBreakerState{1, "one"}));
  clock.advance(11s);
  EXPECT_EQ(fetch(here), std::nullopt) << "for its lifetime, no longer";
}

TEST_F(Breakers, AWipeLeavesEachNodeWhatItKnows) {
  publish(here, 3, "x");
  server.ask("FLUSHALL");
  EXPECT_EQ(fetch(here), (SharedBreakerState{3, "x"}));
  EXPECT_EQ(fetch(there), std::nullopt);
  const std::string key = "postern:breaker:" + destination.to_string();
  server.ask("SET " + key + " nonsense");
  EXPECT_EQ(publish(here, 4, "y").version, 4U) << "a key of another kind is no more than an error";
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
