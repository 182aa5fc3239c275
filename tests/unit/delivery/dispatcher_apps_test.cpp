// Places at the apps of agents, in the whole dispatcher.
#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <future>
#include <numeric>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

const AgentId kAgent = nth<AgentId>(1);

struct DispatcherAppsTest : testing::Test {
  explicit DispatcherAppsTest(DispatcherOptions options = DispatcherRig::quick()) : rig(options) {
    rig.agents.set_quietly(kAgent, true);
  }
  void TearDown() override {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
  }
  void destination(std::uint64_t n, const std::string& url) {
    Destination& draft = rig.destination(n);
    draft.kind = DestinationKind::agent;
    draft.agent_id = kAgent;
    draft.url = url;
    draft.concurrency = 64;
  }
  /// Without a backlog, after which a destination would be met with one at a time.
  void start(std::uint64_t destinations) {
    rig.start();
    for (std::uint64_t n = 1; n <= destinations; ++n) {
      ASSERT_TRUE(rig.becomes([&] {
        const auto status = rig.dispatcher->status(nth<DestinationId>(n));
        return status && status->mode == QueueMode::direct;
      }));
    }
  }
  void append(std::uint64_t n, int count) {
    for (int i = 0; i < count; ++i) rig.append(n);
  }
  std::size_t waiting(std::uint64_t n) { return rig.dispatcher->status(nth<DestinationId>(n))->waiting; }
  /// Of the first destinations; under the board's lock.
  unsigned under_way(std::uint64_t destinations) {
    unsigned sum = 0;
    for (std::uint64_t n = 1; n <= destinations; ++n) sum += rig.driver.in_flight[nth<DestinationId>(n)];
    return sum;
  }
  bool reaches(std::uint64_t destinations, unsigned count) {
    return rig.eventually([&] { return under_way(destinations) == count; });
  }

  DispatcherRig rig;
};

/// Nothing is caught by the sweep.
struct AppsWithoutSweep : DispatcherAppsTest {
  static DispatcherOptions options() {
    DispatcherOptions options;
    options.sweep = std::chrono::hours(1);
    return options;
  }
  AppsWithoutSweep() : DispatcherAppsTest(options()) {}
};

Plan app_is_full() {
  Plan plan = not_sent("no_credit");
  plan.result.app_full = true;
  return plan;
}

TEST_F(DispatcherAppsTest, DestinationsOfOneAppShareItsPlacesAndHoldUpNoOther) {
  destination(1, "http://Localhost:8000/a");
  destination(2, "http://localhost:8000/b");
  destination(3, "http://localhost:9000/");
  rig.agents.set_places("localhost", 8000, 3);
  bool exceeded = false;
  rig.driver.script = [&](const AttemptJob& job) {
    exceeded = exceeded || under_way(2) > 3;
    Plan plan = answers(200);
    plan.hold = job.destination->url != "http://localhost:9000/";
    return plan;
  };
  start(3);
  append(1, 10);
  append(2, 10);
  append(3, 50);
  EXPECT_TRUE(reaches(2, 3));
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 50; }));
  rig.driver.release();
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 70; }));
  EXPECT_FALSE(exceeded);
}

TEST_F(DispatcherAppsTest, TheyTakeTurnsAtTheOnlyPlace) {
  destination(1, "http://localhost:8000/a");
  destination(2, "http://localhost:8000/b");
  rig.agents.set_places("localhost", 8000, 1);
  std::vector<DestinationId> order;
  rig.driver.script = [&](const AttemptJob& job) {
    order.push_back(job.destination->id);
    Plan plan = answers(200);
    plan.hold = order.size() == 1;  // until all of them wait
    return plan;
  };
  start(2);
  append(1, 20);
  ASSERT_TRUE(reaches(1, 1));
  append(2, 20);
  // All of them are here: one that is still to be fetched from the store has no turn to take.
  ASSERT_TRUE(rig.becomes([&] { return waiting(1) == 19 && waiting(2) == 20; }));
  rig.driver.release();
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 40; }));
  const std::lock_guard lock(rig.board.mutex);
  // Neither goes twice while the other waits, but for what has not arrived yet.
  const auto last_of_two =
      std::find(order.rbegin(), order.rend(), nth<DestinationId>(2)).base() - order.begin();
  std::ptrdiff_t repeats = 0;
  const auto first_of_two = std::find(order.begin(), order.end(), nth<DestinationId>(2)) - order.begin();
  for (auto i = first_of_two + 1; i < last_of_two; ++i) repeats += order[i] == order[i - 1];
  EXPECT_LE(repeats, 2);
  EXPECT_GT(first_of_two, 0);
}

TEST_F(DispatcherAppsTest, AnotherBoundHoldsFromTheMomentItIsTold) {
  destination(1, "http://localhost:8000/");
  rig.agents.set_places("localhost", 8000, 1);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  start(1);
  append(1, 10);
  ASSERT_TRUE(reaches(1, 1));
  rig.agents.set_places("localhost", 8000, 4);
  rig.agents.tell_health(kAgent);
  EXPECT_TRUE(reaches(1, 4));
  rig.agents.set_places("localhost", 8000, std::nullopt);
  rig.agents.tell_health(kAgent);
  EXPECT_TRUE(reaches(1, 10));
}

TEST_F(DispatcherAppsTest, ADestinationThatMovesToAnotherAppLeavesItsPlacesThere) {
  destination(1, "http://localhost:8000/");
  destination(2, "http://localhost:8000/b");
  rig.agents.set_places("localhost", 8000, 1);
  rig.driver.script = [](const AttemptJob&) {
    Plan plan = answers(200);
    plan.hold = true;
    return plan;
  };
  start(2);
  append(1, 2);
  ASSERT_TRUE(reaches(1, 1));
  destination(1, "http://localhost:9000/");
  rig.publish();
  EXPECT_TRUE(reaches(1, 2)) << "nothing bounds the other app";
  append(2, 1);
  rig.remove(1);
  rig.publish();
  rig.driver.release();
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 3; }));
}

// A loud agent costs everybody the time that the dispatcher takes for it.
TEST_F(AppsWithoutSweep, HoweverOftenAnAgentSpeaksOneLookAtEachOfItsAppsIsOnItsWay) {
  for (std::uint64_t n = 1; n <= 50; ++n) destination(n, "http://localhost:8000/" + std::to_string(n));
  start(50);
  std::promise<void> busy;
  boost::asio::post(*rig.loops[0], [wait = busy.get_future().share()] { wait.wait(); });
  const std::size_t before = rig.agents.asked();
  for (int i = 0; i < 1000; ++i) rig.agents.tell_health(kAgent);
  std::promise<void> looked;
  boost::asio::post(*rig.loops[0], [&] { looked.set_value(); });
  busy.set_value();
  looked.get_future().wait();
  EXPECT_EQ(rig.agents.asked() - before, 1U);
  rig.agents.tell_health(kAgent);
  EXPECT_TRUE(rig.becomes([&] { return rig.agents.asked() - before == 2; })) << "what is said later is heard";
}

TEST_F(AppsWithoutSweep, APlaceThatIsOfNoUseToTheFirstInTheLineIsTheNextOnes) {
  for (std::uint64_t n = 1; n <= 3; ++n) destination(n, "http://localhost:8000/");
  rig.destination(1).rate_per_second = 1;
  rig.destination(1).rate_burst = 1;
  rig.agents.set_places("localhost", 8000, 1);
  rig.driver.script = [&](const AttemptJob& job) {
    Plan plan = answers(200);
    plan.hold = job.destination->id == nth<DestinationId>(3);
    return plan;
  };
  start(3);
  append(1, 1);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 1; }));
  append(3, 1);
  ASSERT_TRUE(reaches(3, 1));
  append(1, 1);
  ASSERT_TRUE(rig.becomes([&] { return waiting(1) == 1; }));
  append(2, 2);
  ASSERT_TRUE(rig.becomes([&] { return waiting(2) == 2; }));
  rig.driver.release();
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 4; }));
  EXPECT_EQ(waiting(1), 1U) << "its rate is used up";
}

// Two nodes and one slot: the one that does not hold it must not run through its backlog at the speed of a
// round trip.
TEST_F(AppsWithoutSweep, AnAppThatOthersHoldThePlacesOfIsGivenAPause) {
  destination(1, "http://localhost:8000/");
  destination(2, "http://localhost:9000/");
  rig.agents.set_places("localhost", 8000, 1);
  bool full = true;
  rig.driver.script = [&](const AttemptJob& job) {
    const bool bounded = job.destination->id == nth<DestinationId>(1);
    return bounded && full ? app_is_full() : answers(200);
  };
  start(2);
  append(1, 50);
  ASSERT_TRUE(rig.eventually([&] { return rig.driver.attempts == 1; }));
  append(2, 50);
  ASSERT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 50; }));
  {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.started[nth<DestinationId>(1)].size(), 1U);
    full = false;
  }
  rig.clock.advance(AppPlaces::kLeastPause);
  // But for the one that was refused, which comes back by itself.
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) >= 99; }));
}

TEST_F(AppsWithoutSweep, ASuspectTakesAPlaceWhenItsTimeHasCome) {
  destination(1, "http://localhost:8000/");
  destination(2, "http://localhost:9000/");
  destination(3, "http://localhost:8000/");
  rig.agents.set_places("localhost", 8000, 1);
  rig.driver.script = [&](const AttemptJob& job) {
    Plan plan = answers(200);
    plan.hold = job.destination->id == nth<DestinationId>(2);
    return plan;
  };
  start(3);
  const auto suspect = [&](std::uint64_t n, std::uint64_t id) {
    Delivery delivery;
    delivery.id = nth<DeliveryId>(id);
    delivery.destination_id = nth<DestinationId>(n);
    rig.log->seed(delivery, std::make_shared<const Event>());
    {
      const std::lock_guard lock(rig.board.mutex);
      rig.log->rows.at(delivery.id).crashes = 4;  // such go alone
    }
    rig.dispatcher->kick(delivery.destination_id);
  };
  suspect(2, 1000);
  ASSERT_TRUE(reaches(3, 1));
  suspect(1, 1001);
  ASSERT_TRUE(rig.becomes([&] { return rig.dispatcher->status(nth<DestinationId>(1))->in_flight == 1; }));
  append(3, 5);
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 5; }));
  rig.driver.release();
  EXPECT_TRUE(rig.eventually([&] { return rig.log->in_state(DeliveryState::delivered) == 7; }));
}

}  // namespace
}  // namespace postern::relay
