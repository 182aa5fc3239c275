#include "relay/delivery/fair_ring.hpp"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <random>

#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

struct FairRingTest : testing::Test {
  DestinationQueue& add(std::uint64_t n, std::size_t waiting, std::uint64_t workspace = 0,
                        std::size_t body = 0) {
    auto& queue =
        *queues.emplace_back(std::make_unique<DestinationQueue>(make_destination(n, 1000, workspace)));
    queue.opened(false);
    for (std::size_t i = 0; i < waiting; ++i) queue.handed_over(leased(i + 1, queue.id(), body));
    ring.add(queue);
    return queue;
  }
  static LeasedDelivery leased(std::uint64_t n, DestinationId id, std::size_t body) {
    LeasedDelivery it = make_leased(n, id);
    auto event = std::make_shared<Event>();
    event->body.resize(body);
    it.event = std::move(event);
    return it;
  }
  DestinationQueue* start() {
    DestinationQueue* queue = ring.next();
    if (queue == nullptr) return nullptr;
    const std::size_t bytes = queue->next_bytes();
    queue->take();
    ring.taken(*queue, bytes);
    return queue;
  }
  void start_all() {
    for (int turn = 0; turn < 10; ++turn) {
      ring.retry_over_share();
      while (start() != nullptr) {
      }
    }
  }
  void finish(DestinationQueue& queue) {
    queue.finished(true);
    ring.freed(queue);
  }
  std::vector<std::unique_ptr<DestinationQueue>> queues;
  FairRing ring{16};
};

TEST_F(FairRingTest, TakesOneEachRoundAndRound) {
  auto& busy = add(1, 100);
  auto& quiet = add(2, 2);
  ring.add(busy);  // once is enough
  std::vector<DestinationQueue*> order;
  for (int i = 0; i < 6; ++i) order.push_back(start());
  EXPECT_EQ(order, (std::vector<DestinationQueue*>{&busy, &quiet, &busy, &quiet, &busy, &busy}));
}

TEST_F(FairRingTest, AWorkspaceWithManyDestinationsGetsNoMoreThanOneWithASingleOne) {
  for (std::uint64_t n = 1; n <= 1000; ++n) add(n, 5, 1);
  auto& single = add(5000, 500, 2);
  unsigned of_single = 0;
  for (int i = 0; i < 400; ++i) {
    DestinationQueue* queue = start();
    ASSERT_NE(queue, nullptr);
    of_single += queue == &single;
    finish(*queue);
  }
  EXPECT_EQ(of_single, 200U);
}

TEST_F(FairRingTest, LargeBodiesPayForTheirBytes) {
  auto& large = add(1, 100, 1, 160 * 1024);  // eleven turns
  auto& small = add(2, 500, 2);
  std::map<DestinationQueue*, unsigned> starts;
  for (int i = 0; i < 240; ++i) {
    DestinationQueue* queue = start();
    ++starts[queue];
    finish(*queue);
  }
  EXPECT_EQ(starts[&large], 20U);
  EXPECT_EQ(starts[&small], 220U);
}

TEST_F(FairRingTest, OneThatNeverAnswersLeavesRoom) {
  auto& dead = add(1, 100);
  start_all();
  EXPECT_EQ(dead.in_flight(), 6U) << "as many as its workspace may still start";
  auto& alive = add(2, 1);
  EXPECT_EQ(start(), &alive);
  finish(dead);
  finish(alive);
  EXPECT_EQ(start(), nullptr);
  ring.retry_over_share();
  EXPECT_EQ(start(), &dead) << "what it set free it may use again";
}

TEST_F(FairRingTest, ManyThatNeverAnswerStillLeaveRoomInTheirWorkspace) {
  for (std::uint64_t n = 1; n <= 6; ++n) add(n, 100);
  start_all();
  EXPECT_LT(ring.in_flight(), 16U);
  auto& alive = add(99, 1);
  ring.retry_over_share();
  EXPECT_EQ(start(), &alive);
}

TEST_F(FairRingTest, AWorkspaceFullOfDeadOnesLeavesAQuarterToOthers) {
  for (std::uint64_t n = 1; n <= 10'000; ++n) add(n, 1, 1);
  start_all();
  EXPECT_EQ(ring.in_flight(), 12U);
  auto& alive = add(20'000, 10, 2);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(start(), &alive) << "at once, every time";
    finish(alive);
  }
}

TEST_F(FairRingTest, AnEmptiedQueueLeavesAndComesBack) {
  auto& queue = add(1, 1);
  EXPECT_EQ(start(), &queue);
  EXPECT_EQ(start(), nullptr);
  finish(queue);
  EXPECT_EQ(start(), nullptr);
  EXPECT_EQ(ring.workspaces(), 0U) << "nothing is kept of one that has nothing";
  queue.handed_over(make_leased(2));
  ring.add(queue);
  EXPECT_EQ(start(), &queue);
}

TEST_F(FairRingTest, AForgottenQueueIsGoneFromEveryList) {
  auto& dead = add(1, 100);
  auto& other = add(2, 2, 1);
  start_all();
  while (dead.in_flight() > 0) finish(dead);
  while (other.in_flight() > 0) finish(other);
  ring.remove(dead);
  ring.remove(other);
  EXPECT_EQ(start(), nullptr);
  EXPECT_EQ(ring.workspaces(), 0U);
}

// The model: a list of who takes part, in order, and what each owes; everything looked up by walking.
struct RingModel {
  struct Member {
    int id;
    int owes = 0;  ///< turns to pay before the next one
  };
  std::list<Member> members;

  int next() {
    if (members.size() == 1) members.front().owes = 0;
    while (members.front().owes > 0) {
      --members.front().owes;
      members.splice(members.end(), members, members.begin());
    }
    return members.front().id;
  }
  void charge(int turns) {
    members.front().owes = turns - 1;
    members.splice(members.end(), members, members.begin());
  }
};

struct RingNode {
  int id = 0;
  int credit = 0;
};

TEST(DeficitRingModelTest, AgreesWithTheModelAndSharesCostEvenlyOver100000Lives) {
  for (std::uint64_t seed = 1; seed <= 100'000; ++seed) {
    std::mt19937_64 dice(seed);
    const int steps = seed % 1'000 == 0 ? 1'000 : 20;
    std::vector<RingNode> nodes(2 + dice() % 6);
    DeficitRing<RingNode> ring;
    RingModel model;
    std::map<int, std::int64_t> served;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      nodes[i].id = static_cast<int>(i);
      ring.add(nodes[i]);
      model.members.push_back({static_cast<int>(i)});
    }
    for (int step = 0; step < steps; ++step) {
      RingNode* next = ring.next();
      ASSERT_NE(next, nullptr);
      ASSERT_EQ(next->id, model.next()) << "seed " << seed << " step " << step;
      const int turns = dice() % 4 == 0 ? static_cast<int>(1 + dice() % 64) : 1;
      served[next->id] += turns;
      ring.charge(turns);
      model.charge(turns);
    }
    const auto [least, most] = std::minmax_element(served.begin(), served.end(),
                                                   [](auto& a, auto& b) { return a.second < b.second; });
    ASSERT_LE(most->second - least->second, 64) << "seed " << seed << ": one was served more than its due";
  }
}

// Random lives of a whole ring: joining, starting, finishing, leaving. What the bounds say holds at every
// step.
TEST(FairRingModelTest, TheBoundsHoldWhateverHappens) {
  constexpr unsigned kMost = 24;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 dice(seed);
    FairRing ring(kMost);
    std::map<std::uint64_t, std::unique_ptr<DestinationQueue>> queues;
    std::map<WorkspaceId, unsigned> held;
    std::vector<DestinationQueue*> flying;
    std::uint64_t next_id = 0;
    for (int step = 0; step < 500; ++step) {
      const auto roll = dice() % 10;
      if (roll < 2 || queues.empty()) {
        const std::uint64_t n = ++next_id;
        auto made = std::make_unique<DestinationQueue>(make_destination(n, 1 + dice() % 30, dice() % 4));
        made->opened(false);
        queues.emplace(n, std::move(made));
      } else if (roll < 4) {
        auto it = std::next(queues.begin(), static_cast<std::ptrdiff_t>(dice() % queues.size()));
        for (auto n = dice() % 8; n > 0; --n) it->second->handed_over(make_leased(n));
        ring.add(*it->second);
      } else if (roll < 7) {
        ring.retry_over_share();
        while (DestinationQueue* queue = ring.next()) {
          const WorkspaceId workspace = queue->destination()->workspace_id;
          ASSERT_TRUE(queue->runnable()) << "seed " << seed;
          const unsigned free = kMost - ring.in_flight();
          ASSERT_TRUE(held[workspace] == 0 || held[workspace] < 3 * free) << "seed " << seed;
          const std::size_t bytes = queue->next_bytes();
          queue->take();
          ring.taken(*queue, bytes);
          ++held[workspace];
          flying.push_back(queue);
        }
        ASSERT_LE(ring.in_flight(), kMost);
        // Nobody who may start is left: the ring refuses only for a reason.
        for (const auto& [n, queue] : queues) {
          const unsigned mine = held[queue->destination()->workspace_id];
          if (queue->runnable() && queue->in_ring && queue->in_flight() == 0)
            ASSERT_TRUE(ring.in_flight() == kMost || (mine > 0 && mine >= 3 * (kMost - ring.in_flight())))
                << "seed " << seed << " step " << step;
        }
      } else if (!flying.empty()) {
        const std::size_t i = dice() % flying.size();
        DestinationQueue* queue = flying[i];
        flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(i));
        queue->finished(true);
        --held[queue->destination()->workspace_id];
        ring.freed(*queue);
        if (dice() % 4 == 0 && queue->in_flight() == 0) {
          for (auto& delivery : queue->give_up()) (void)delivery;
          ring.remove(*queue);
          std::erase_if(queues, [&](const auto& entry) { return entry.second.get() == queue; });
        }
      }
      ASSERT_EQ(ring.in_flight(), flying.size());
    }
  }
}

}  // namespace
}  // namespace postern::relay
