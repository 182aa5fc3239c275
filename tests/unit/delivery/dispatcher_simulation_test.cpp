// Long random runs against the fake store: whatever happens, every delivery ends once, and nothing overtakes.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/delivery/dispatcher_rig.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

DispatcherOptions tight(std::size_t deliveries) {
  DispatcherOptions options = DispatcherRig::quick();
  options.leases.deliveries = deliveries;
  options.claim_batch = 16;
  return options;
}

// One attempt at a time and every answer good: then whatever order deliveries were committed in is the order
// they must start in, through overflows, absences and returns.
TEST(DispatcherOrderTest, NothingOvertakesThroughOverflowsAndAbsences) {
  DispatcherRig rig(tight(20));
  const AgentId agent = nth<AgentId>(1);
  Destination& destination = rig.destination(1);
  destination.kind = DestinationKind::agent;
  destination.agent_id = agent;
  destination.concurrency = 1;
  rig.agents.set_quietly(agent, true);
  rig.start();
  std::mt19937_64 dice(5);
  std::vector<DeliveryId> sent;
  bool present = true;
  constexpr std::size_t kDeliveries = 6'000;
  while (sent.size() < kDeliveries) {
    for (std::size_t burst = dice() % 40; burst > 0; --burst) sent.push_back(rig.append(1));
    if (dice() % 4 == 0) rig.agents.set(agent, present = !present);
    // Sometimes let it catch up, so that all of hand-over, overflow and backlog are met.
    const std::size_t keep = dice() % 60;
    if (present)
      ASSERT_TRUE(
          rig.eventually([&] { return rig.log->rows.size() == sent.size() && rig.log->open <= keep; }));
  }
  rig.agents.set(agent, true);
  ASSERT_TRUE(rig.all_ended());
  const std::lock_guard lock(rig.board.mutex);
  const auto& started = rig.driver.started[nth<DestinationId>(1)];
  ASSERT_EQ(started.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(started[i], sent[i]) << "at " << i;
}

class DispatcherSimulation {
 public:
  static constexpr std::uint64_t kDestinations = 24;
  static constexpr std::size_t kDeliveries = 100'000;

  DispatcherSimulation() {
    for (std::uint64_t n = 1; n <= kDestinations; ++n) place(n);
    rig.driver.script = [this](const AttemptJob& job) { return answer(job); };
    for (std::uint64_t n = 1; n <= kAgents; ++n) rig.agents.set_quietly(nth<AgentId>(n), n % 2 == 0);
    rig.start();
  }

  void run() {
    for (std::size_t sent = 0; sent < kDeliveries; ++sent) {
      rig.append(1 + dice() % kDestinations);
      if (sent % 500 == 0) disturb();
      // Ingest answers 503 when the store falls behind; here it waits.
      if (sent % 64 == 0) ASSERT_TRUE(rig.eventually([&] { return rig.log->rows.size() + 2'000 > sent; }));
    }
    calm = true;
    for (std::uint64_t n = 1; n <= kAgents; ++n) rig.agents.set(nth<AgentId>(n), true);
    const auto limit = std::chrono::steady_clock::now() + 400s;  // a few, but for where everything is checked
    while (!ended() && std::chrono::steady_clock::now() < limit) rig.clock.advance(10s);
  }

  void check() {
    const std::lock_guard lock(rig.board.mutex);
    EXPECT_EQ(rig.driver.broken, "");
    EXPECT_EQ(rig.log->broken, "");
    EXPECT_EQ(rig.log->open, 0U);
    EXPECT_EQ(rig.log->rows.size(), kDeliveries);
    EXPECT_TRUE(rig.driver.active.empty());
    EXPECT_EQ(rig.log->in_state(DeliveryState::cancelled), 0U);
    for (const auto& [id, row] : rig.log->rows) check_row(row);
    for (const auto& [id, most] : rig.driver.most_in_flight) EXPECT_LE(most, 64U);
    for (std::uint64_t n = kOrdered; n <= kDestinations; n += kOrdered) {
      const auto& order = rig.driver.started[nth<DestinationId>(n)];
      EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "destination " << n;
    }
    EXPECT_GT(outages, 10U);
  }

  DispatcherRig rig{tight(600)};

 private:
  static constexpr std::uint64_t kAgents = 6;
  static constexpr std::uint64_t kOrdered = 11;  ///< each so many-th is in strict order
  static constexpr std::uint64_t kRated = 5;     ///< has a rate

  void place(std::uint64_t n) {
    Destination& destination = rig.destination(n);
    destination.retry_schedule = {0s, 1s, 5s, 30s};
    destination.concurrency = static_cast<unsigned>(1 + dice() % 64);
    destination.workspace_id = nth<WorkspaceId>(n % 4);
    destination.breaker.open_first = 2s;
    destination.breaker.open_most = 20s;
    if (n % kOrdered == 0) destination.ordering = Ordering::destination;
    if (n % kRated == 0) destination.rate_per_second = 300;
    if (n % 3 != 0) return;
    destination.kind = DestinationKind::agent;
    destination.agent_id = nth<AgentId>(1 + n / 3 % kAgents);
  }

  // Called under the board's lock, from both loops.
  Plan answer(const AttemptJob& job) {
    const auto roll = answers_dice() % 1000;
    if (calm) return answers(roll < 20 ? 500 : 200);
    if (job.destination->id == nth<DestinationId>(down)) return answers(503);
    Plan plan = roll < 40 ? answers(500) : roll < 50 ? not_sent("connect_failed") : answers(200);
    if (roll >= 50 && roll < 60 && job.destination->kind == DestinationKind::agent)
      plan = not_sent("agent_away", true);
    plan.throws = roll >= 60 && roll < 65;
    if (roll >= 100 && roll < 200) plan.takes = std::chrono::microseconds(answers_dice() % 500);
    return plan;
  }

  void disturb() {
    const auto roll = dice() % 10;
    rig.clock.advance(std::chrono::milliseconds(dice() % 2'000));
    if (roll < 4) {
      const auto agent = nth<AgentId>(1 + dice() % kAgents);
      rig.agents.set(agent, !rig.agents.present(agent));
    } else if (roll < 6) {
      Destination& destination = rig.destination(1 + dice() % kDestinations);
      destination.enabled = !destination.enabled;
      rig.publish();
    } else if (roll < 7) {
      rig.log->refuse_completions(1 + dice() % 3);
    } else if (roll < 8) {
      rig.dispatcher->kick_all();
    } else if (roll < 9) {
      down = 1 + dice() % kDestinations;
      ++outages;
    }
  }

  bool ended() {
    for (std::uint64_t n = 1; n <= kDestinations; ++n) rig.destination(n).enabled = true;
    rig.publish();
    std::unique_lock lock(rig.board.mutex);
    rig.board.changed.wait_for(lock, 20ms, [&] { return rig.log->open == 0; });
    return rig.log->open == 0;
  }

  void check_row(const FakeEventLog::Row& row) {
    unsigned counted = 0;
    for (std::size_t i = 0; i < row.attempts.size(); ++i) {
      ASSERT_EQ(row.attempts[i].number, i + 1);
      counted += row.attempts[i].counted;
      const bool last = i + 1 == row.attempts.size();
      ASSERT_EQ(row.attempts[i].outcome == Outcome::delivered,
                last && row.delivery.state == DeliveryState::delivered);
    }
    ASSERT_EQ(counted, row.delivery.attempt_count);
    if (row.delivery.state == DeliveryState::dead)
      ASSERT_EQ(counted, 4U) << "dead before its schedule was used up";
  }

  std::mt19937_64 dice{42};
  std::mt19937_64 answers_dice{43};
  std::atomic<bool> calm{false};
  std::atomic<std::uint64_t> down{0};
  unsigned outages = 0;
};

TEST(DispatcherSimulationTest, EveryDeliveryEndsExactlyOnce) {
  DispatcherSimulation simulation;
  simulation.run();
  simulation.check();
  // What was reserved has been given back to the last one.
  for (std::uint64_t n = 1; n <= DispatcherSimulation::kDestinations; ++n) {
    EXPECT_TRUE(simulation.rig.becomes([&] {
      return simulation.rig.dispatcher->status(nth<DestinationId>(n))->leased == 0;
    })) << n;
  }
}

}  // namespace
}  // namespace postern::relay
