#include "relay/limits/shared_ledger.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <numeric>

#include "base/random.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{std::chrono::hours(1)};

/// What the script in Redis does, in its own time.
struct CommonTime {
  SteadyTime arrival{};

  Duration add(const LedgerEntry& entry, SteadyTime now) {
    arrival = std::max(arrival, now - entry.age) + entry.pace.interval * entry.taken;
    arrival = std::min(arrival, now + entry.pace.tolerance() * kLedgerBurstsMost);
    return std::chrono::duration_cast<Duration>(arrival - now);
  }
};

struct Node {
  LimiterTable::Entry state;
  SteadyTime next_tell = kStart;
  std::optional<LedgerEntry> out;  ///< on its way
  Duration ahead{};
  bool arrived = false;
  SteadyTime at_redis{}, back{};
};

/// Nodes that share one limit, in steps of 100 µs.
struct Cluster {
  Cluster(std::size_t nodes, RateLimit limit, Duration way) : pace(limit.pace()), one_way(way), all(nodes) {
    for (Node& node : all) node.state.adopt(pace, kStart);
  }

  bool take(Node& node) {
    if (!node.state.gcra.take(pace, now).allowed) return false;
    ledger_note(node.state, 1, now);
    if (node.state.untold >= static_cast<int>(std::max(1U, pace.burst / 16))) node.next_tell = now;
    let_through.push_back(now);
    return true;
  }

  void step() {
    for (Node& node : all) {
      if (!node.out && node.state.untold != 0 && node.next_tell <= now) {
        node.out = ledger_tell(node.state, now);
        node.arrived = false;
        node.at_redis = now + one_way;
        node.back = now + 2 * one_way;
        node.next_tell = now + 20ms;
      }
      if (node.out && !node.arrived && node.at_redis <= now) {
        node.ahead = common.add(*node.out, now);
        node.arrived = true;
      }
      if (node.out && node.back <= now) {
        if (redis)
          ledger_heard(node.state, *node.out, node.ahead);
        else
          ledger_unheard(node.state);
        node.out.reset();
      }
    }
    now += 100us;
  }

  /// The most that any stretch of time let through beyond what its length brings.
  double most_over_the_rate(double per_second) const {
    double most = 0, low = 0;
    for (std::size_t i = 0; i < let_through.size(); ++i) {
      const double brought = per_second * std::chrono::duration<double>(let_through[i] - kStart).count();
      low = std::min(low, static_cast<double>(i) - brought);
      most = std::max(most, static_cast<double>(i) + 1 - brought - low);
    }
    return most;
  }

  const Pace pace;
  const Duration one_way;
  std::vector<Node> all;
  CommonTime common;
  bool redis = true;
  SteadyTime now = kStart;
  std::vector<SteadyTime> let_through;
};

TEST(SharedLedger, OneNodeIsAsItWouldBeAlone) {
  Cluster cluster(1, {100, 50}, 500us);
  Gcra alone;
  SeededRandom random(1);
  for (int i = 0; i < 200'000; ++i) {
    if (random.unit() < 0.02) {
      const bool expected = alone.take(cluster.pace, cluster.now).allowed;
      ASSERT_EQ(cluster.take(cluster.all[0]), expected) << "step " << i;
    }
    cluster.step();
  }
}

TEST(SharedLedger, NodesTogetherKeepTheRateInTheLongRun) {
  for (const std::size_t nodes : {2, 3, 8}) {
    Cluster cluster(nodes, {100, 200}, 500us);
    for (int i = 0; i < 600'000; ++i) {  // a minute; every node is asked far more than the limit
      for (Node& node : cluster.all) cluster.take(node);
      cluster.step();
    }
    const double seconds = 60;
    const double sum = static_cast<double>(cluster.let_through.size());
    EXPECT_LE(sum, 100 * seconds + 200 * static_cast<double>(nodes)) << nodes;
    EXPECT_GE(sum, 100 * seconds) << nodes << ": less than was paid for";
  }
}

TEST(SharedLedger, NoStretchOfTimeSeesMoreThanABurstOfEachNodeAndWhatComesUnheard) {
  SeededRandom random(7);
  for (int round = 0; round < 40; ++round) {
    const auto pick = [&](std::uint32_t least, std::uint32_t most) {
      return least + static_cast<std::uint32_t>(random.u64() % (most - least + 1));
    };
    const RateLimit limit{pick(1, 1000), pick(1, 400)};
    Cluster cluster(pick(2, 6), limit, Duration(pick(50, 20'000)));
    double busy = random.unit();
    for (int i = 0; i < 60'000; ++i) {
      if (i % 5000 == 0) busy = random.unit() < 0.3 ? 0 : random.unit();
      for (Node& node : cluster.all) {
        if (random.unit() < busy) cluster.take(node);
      }
      cluster.step();
    }
    const double unheard = std::chrono::duration<double>(20ms + 2 * cluster.one_way + 200us).count();
    const double each = limit.burst + limit.per_second * unheard;
    EXPECT_LE(cluster.most_over_the_rate(limit.per_second),
              each * static_cast<double>(cluster.all.size()) + 1)
        << "round " << round << ": " << limit.per_second << "/s, " << limit.burst << " at once, "
        << cluster.all.size() << " nodes, " << cluster.one_way.count() << " µs away";
  }
}

TEST(SharedLedger, AFloodFromRestIsNoticedWithinASixteenthOfABurst) {
  Cluster cluster(4, {100, 160}, 500us);
  for (int i = 0; i < 1000; ++i) {  // each node is asked 5000 times a second, for 100 ms
    if (i % 2 == 0) {
      for (Node& node : cluster.all) cluster.take(node);
    }
    cluster.step();
  }
  // The burst, what 100 ms bring, and for each node what it lets through before it hears: a sixteenth, and
  // what comes during one way there and back.
  EXPECT_LE(cluster.let_through.size(), 160U + 10 + 4 * (10 + 2 * 10));
}

TEST(SharedLedger, WithoutAnswersEachNodeKeepsTheLimitByItself) {
  Cluster cluster(3, {100, 50}, 500us);
  cluster.redis = false;
  for (int i = 0; i < 100'000; ++i) {
    for (Node& node : cluster.all) cluster.take(node);
    cluster.step();
  }
  EXPECT_NEAR(static_cast<double>(cluster.let_through.size()), 3 * (50 + 100 * 10), 5);
}

TEST(SharedLedger, AWipeIsMadeWholeByTheNextTelling) {
  Cluster cluster(2, {100, 50}, 500us);
  for (int i = 0; i < 100'000; ++i) {
    if (i % 10'000 == 0) cluster.common = {};
    for (Node& node : cluster.all) cluster.take(node);
    cluster.step();
  }
  // Ten wipes: each forgives at most the debt, which is less than a burst of the other node.
  EXPECT_LE(cluster.let_through.size(), 100U * 10 + 2 * 50 + 10 * 50);
}

TEST(SharedLedger, NonsenseCostsABoundedTime) {
  Cluster cluster(1, {100, 50}, 500us);
  cluster.common.arrival = kStart + std::chrono::hours(24 * 365);
  cluster.take(cluster.all[0]);
  for (int i = 0; i < 100'000; ++i) {
    cluster.take(cluster.all[0]);
    cluster.step();
  }
  EXPECT_GE(cluster.let_through.size(), 500U) << "half of ten seconds at the least";
}

}  // namespace
}  // namespace postern::relay
