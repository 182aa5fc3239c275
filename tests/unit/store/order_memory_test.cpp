#include "relay/store/postgres/order_memory.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using Look = OrderMemory::Look;

DeliveryId id(std::uint8_t number) {
  DeliveryId made;
  made.uuid[15] = number;
  return made;
}

std::vector<std::pair<OrderKey, int>> listed(const OrderMemory& memory, OrderKey after = kNoOrder,
                                             std::size_t most = 100) {
  std::vector<std::pair<OrderKey, int>> found;
  for (const OpenKey& it : memory.behind(after, most)) found.emplace_back(it.key, it.from.uuid[15]);
  return found;
}
using Listed = std::vector<std::pair<OrderKey, int>>;

class OrderMemoryTest : public ::testing::Test {
 protected:
  /// A whole walk in one look.
  void walk(const std::vector<OpenKey>& open, std::string snapshot = "1:1:") {
    memory.news({}, std::move(snapshot));
    ASSERT_EQ(memory.begin(kNoOrder, now), Look::walk);
    memory.walked(open, true);
  }

  OrderMemory memory;
  SteadyTime now;
};

TEST_F(OrderMemoryTest, KnowsNothingBeforeAWholeWalk) {
  EXPECT_FALSE(memory.seen());
  memory.news({{7, id(1)}}, "5:5:");
  EXPECT_FALSE(memory.seen());
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walked({{7, id(1)}}, false);
  EXPECT_FALSE(memory.seen());
  EXPECT_EQ(listed(memory), Listed());
}

// What was stored while it was under way is news: its first snapshot counts.
TEST_F(OrderMemoryTest, AWalkOverSeveralLooksIsAsOldAsItsFirst) {
  memory.news({}, "5:5:");
  ASSERT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walked({{7, id(1)}, {8, id(2)}}, false);
  memory.news({}, "6:6:");
  EXPECT_EQ(memory.keys(), 2U) << "it holds memory, too";
  ASSERT_EQ(memory.begin(8, now), Look::walk);
  memory.walked({{9, id(3)}}, true);
  EXPECT_EQ(memory.keys(), 3U);
  EXPECT_EQ(memory.seen(), "5:5:");
  EXPECT_EQ(listed(memory), (Listed{{7, 1}, {8, 2}, {9, 3}}));
  memory.news({}, "7:7:");
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::guided);
  EXPECT_EQ(memory.seen(), "7:7:");
}

TEST_F(OrderMemoryTest, ALookFromElsewhereEndsAWalk) {
  memory.news({}, "5:5:");
  ASSERT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walked({{7, id(1)}, {8, id(2)}}, false);
  EXPECT_EQ(memory.begin(7, now), Look::walk);
  memory.walked({{8, id(2)}}, true);
  EXPECT_FALSE(memory.seen()) << "nobody looked at what lies before 7 with it";
}

TEST_F(OrderMemoryTest, AWalkThatFailedLeavesTheMemoryAndIsNotGoneOnWith) {
  walk({{7, id(1)}});
  now += 60s;
  ASSERT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walked({{7, id(1)}}, false);
  ASSERT_EQ(memory.begin(7, now), Look::walk);
  // walked() is not called
  EXPECT_EQ(memory.begin(7, now), Look::guided);
  EXPECT_EQ(listed(memory), (Listed{{7, 1}}));
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::guided) << "not before its time";
}

TEST_F(OrderMemoryTest, NewsBringKeysAndOlderOnes) {
  walk({{7, id(5)}, {9, id(6)}});
  memory.news({{7, id(8)}, {9, id(3)}, {9, id(4)}, {8, id(9)}}, "2:2:");
  EXPECT_EQ(listed(memory), (Listed{{7, 5}, {8, 9}, {9, 3}}));
}

TEST_F(OrderMemoryTest, AGuidedLookMovesOnAndForgetsWhatIsOver) {
  walk({{7, id(5)}, {8, id(6)}, {9, id(7)}});
  memory.found({7, id(9)});
  memory.over(8);
  EXPECT_EQ(listed(memory), (Listed{{7, 9}, {9, 7}}));
  EXPECT_EQ(listed(memory, 7), (Listed{{9, 7}}));
  EXPECT_EQ(listed(memory, kNoOrder, 1), (Listed{{7, 9}}));
}

TEST_F(OrderMemoryTest, AWalkBesideAMemoryAddsToItAndMakesItNoOlder) {
  walk({{7, id(5)}, {9, id(6)}});
  now += 60s;
  memory.news({}, "2:2:");
  ASSERT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walked({{7, id(4)}}, false);
  memory.news({{11, id(8)}}, "3:3:");
  ASSERT_EQ(memory.begin(7, now), Look::walk);
  memory.walked({{8, id(2)}, {9, id(7)}}, true);
  EXPECT_EQ(memory.seen(), "3:3:");
  EXPECT_EQ(listed(memory), (Listed{{7, 4}, {8, 2}, {9, 6}, {11, 8}}));
}

TEST_F(OrderMemoryTest, TooMuchNewsAndTooManyKeysAreNotRemembered) {
  walk({{7, id(5)}});
  memory.news(std::vector<OpenKey>(OrderMemory::kNewsMost, {7, id(6)}), "2:2:");
  EXPECT_TRUE(memory.seen());
  memory.news(std::vector<OpenKey>(OrderMemory::kNewsMost + 1, {7, id(6)}), "3:3:");
  EXPECT_FALSE(memory.seen());
  std::vector<OpenKey> many;
  for (std::size_t i = 0; i <= OrderMemory::kKeysMost; ++i)
    many.push_back({static_cast<OrderKey>(2 + i), id(1)});
  walk(many);
  EXPECT_FALSE(memory.seen());
  many.pop_back();
  walk(many);
  EXPECT_EQ(memory.keys(), OrderMemory::kKeysMost);
  memory.news({{1, id(1)}}, "4:4:");
  EXPECT_FALSE(memory.seen());
}

TEST_F(OrderMemoryTest, ItWalksOnceAMinuteAndTakesAHundredthOfTheTime) {
  walk({{7, id(5)}});
  now += 59s;
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::guided);
  now += 1s;
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::walk);
  memory.walk_took(2s);
  memory.walked({{7, id(5)}}, true);
  now += 259s;
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::guided);
  now += 1s;
  EXPECT_EQ(memory.begin(kNoOrder, now), Look::walk);
}

DestinationId destination(std::uint8_t number) {
  DestinationId made;
  made.uuid[15] = number;
  return made;
}

void remember(OrderMemories& memories, std::uint8_t number, std::size_t keys) {
  OrderMemory& memory = memories.of(destination(number), 1);
  std::vector<OpenKey> open;
  open.reserve(keys);
  for (std::size_t i = 0; i < keys; ++i) open.push_back({static_cast<OrderKey>(2 + i), id(1)});
  memory.news({}, "1:1:");
  memory.begin(kNoOrder, {});
  memory.walked(open, true);
}

TEST(OrderMemories, ThoseUsedLeastRecentlyGo) {
  OrderMemories memories({.destinations = 2, .keys = 100});
  remember(memories, 1, 1);
  remember(memories, 2, 1);
  memories.of(destination(1), 1);
  remember(memories, 3, 1);
  EXPECT_EQ(memories.size(), 2U);
  EXPECT_TRUE(memories.of(destination(1), 1).seen());
  EXPECT_TRUE(memories.of(destination(3), 1).seen());
  EXPECT_FALSE(memories.of(destination(2), 1).seen());
}

TEST(OrderMemories, KeysAreCountedOverAllAndTheOneInUseStays) {
  OrderMemories memories({.destinations = 10, .keys = 5});
  remember(memories, 1, 3);
  remember(memories, 2, 9);
  EXPECT_TRUE(memories.of(destination(2), 1).seen());
  EXPECT_EQ(memories.size(), 1U);
}

// The numbers of transactions are those of the server at its other end.
TEST(OrderMemories, AnotherConnectionKnowsNothing) {
  OrderMemories memories;
  remember(memories, 1, 1);
  EXPECT_TRUE(memories.of(destination(1), 1).seen());
  EXPECT_FALSE(memories.of(destination(1), 2).seen());
}

}  // namespace
}  // namespace postern::relay
