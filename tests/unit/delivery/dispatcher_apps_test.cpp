// Places at the apps of agents, in the whole dispatcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

const AgentId kAgent = nth<AgentId>(1);

struct DispatcherAppsTest : testing::Test {
  DispatcherAppsTest() { rig.agents.set_quietly(kAgent, true); }
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

}  // namespace
}  // namespace postern::relay
