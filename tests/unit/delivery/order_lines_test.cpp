#include "relay/delivery/order_lines.hpp"

#include <gtest/gtest.h>

#include "relay/delivery/head_search.hpp"
#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

LeasedDelivery keyed(std::uint64_t n, OrderKey key) {
  LeasedDelivery leased = make_leased(n);
  leased.order_key = key;
  return leased;
}

TEST(OrderLinesTest, OneOfAKeyIsOutAtATime) {
  OrderLines lines;
  EXPECT_TRUE(lines.enter(keyed(1, 7)));
  EXPECT_FALSE(lines.enter(keyed(2, 7)));
  EXPECT_FALSE(lines.enter(keyed(3, 7)));
  EXPECT_TRUE(lines.enter(keyed(4, 9)));
  EXPECT_EQ(lines.waiting(), 2U);
  EXPECT_EQ(lines.next(7)->delivery.id, nth<DeliveryId>(2));
  EXPECT_EQ(lines.next(7)->delivery.id, nth<DeliveryId>(3));
  EXPECT_TRUE(lines.holds(7));
  EXPECT_FALSE(lines.next(7));
  EXPECT_FALSE(lines.holds(7));
  EXPECT_TRUE(lines.holds(9));
}

TEST(OrderLinesTest, ThoseBehindGoBackWithTheFirst) {
  OrderLines lines;
  (void)lines.enter(keyed(1, 7));
  (void)lines.enter(keyed(2, 7));
  const auto behind = lines.give_back(7);
  ASSERT_EQ(behind.size(), 1U);
  EXPECT_EQ(behind[0].delivery.id, nth<DeliveryId>(2));
  EXPECT_FALSE(lines.holds(7));
  EXPECT_EQ(lines.waiting(), 0U);
  EXPECT_TRUE(lines.give_back(7).empty());
}

// It may still be under way when its lease is lost and the next ones of its key are claimed anew.
TEST(OrderLinesTest, AKeyWithOneUnderWayStaysTakenWhenAllIsGivenUp) {
  OrderLines lines;
  (void)lines.enter(keyed(1, 7));
  (void)lines.enter(keyed(2, 7));
  (void)lines.enter(keyed(3, 9));
  lines.started(7);
  EXPECT_EQ(lines.give_up().size(), 1U);
  EXPECT_TRUE(lines.holds(7));
  EXPECT_FALSE(lines.holds(9));
  EXPECT_FALSE(lines.enter(keyed(2, 7)));
  EXPECT_EQ(lines.next(7)->delivery.id, nth<DeliveryId>(2));
}

TEST(OrderLinesTest, ItKnowsHowManyHaveNotStarted) {
  OrderLines lines;
  (void)lines.enter(keyed(1, 7));
  (void)lines.enter(keyed(2, 7));
  (void)lines.enter(keyed(3, 9));
  EXPECT_EQ(lines.unstarted(), 3U);
  lines.started(7);
  lines.started(9);
  EXPECT_EQ(lines.unstarted(), 1U);
  (void)lines.next(9);
  EXPECT_EQ(lines.unstarted(), 1U);
  (void)lines.next(7);
  EXPECT_EQ(lines.unstarted(), 1U) << "the next one is out and not under way";
  lines.started(7);
  EXPECT_EQ(lines.unstarted(), 0U);
  (void)lines.enter(keyed(4, 7));
  (void)lines.give_up();
  EXPECT_EQ(lines.unstarted(), 0U);
  (void)lines.give_back(7);
  EXPECT_EQ(lines.unstarted(), 0U);
}

TEST(HeadSearchTest, ARoundGoesToTheEndAndWhatIsAskedForMeanwhileBeginsAnother) {
  HeadSearch search;
  EXPECT_FALSE(search.wanted());
  search.ask();
  EXPECT_TRUE(search.wanted());
  search.started();
  EXPECT_FALSE(search.wanted());
  search.ended({.leased = {}, .seen_to = 7}, Time(1s));
  EXPECT_TRUE(search.wanted());
  EXPECT_EQ(search.after(), 7);
  search.started();
  search.ask();
  search.ended({}, Time(1s));
  EXPECT_TRUE(search.wanted());
  EXPECT_EQ(search.after(), kNoOrder);
  search.started();
  search.failed();
  EXPECT_TRUE(search.wanted());
  search.started();
  search.ended({}, Time(1s));
  EXPECT_FALSE(search.wanted());
}

// Or the keys at the far end would never be looked at while two nodes are busy.
TEST(HeadSearchTest, ARoundThatMeetsAnotherNodesGoesOnFromWhereItWas) {
  HeadSearch search;
  search.ask();
  search.started();
  search.ended({.leased = {}, .seen_to = 7}, Time(1s));
  search.started();
  search.ended({.leased = {}, .again = Time(9s), .busy = true}, Time(1s));
  search.ask();
  EXPECT_FALSE(search.wanted());
  EXPECT_EQ(search.asked_at(), Time(9s));
  search.ask_at(Time(12s));
  EXPECT_EQ(search.asked_at(), Time(9s));
  search.tick(Time(9s));
  EXPECT_TRUE(search.wanted());
  EXPECT_EQ(search.after(), 7);
  EXPECT_EQ(search.asked_at(), Time(12s));
  search.started();
  search.ended({}, Time(1s));
  EXPECT_TRUE(search.wanted()) << "what was asked for meanwhile";
  EXPECT_EQ(search.after(), kNoOrder);
}

TEST(HeadSearchTest, AfterARoundThatPassedManyKeysItPauses) {
  HeadSearch search;
  search.ask();
  search.started();
  search.ended({.leased = {}, .seen_to = 7, .passed = 2'000}, Time(1s));
  EXPECT_TRUE(search.wanted()) << "in the middle of a round";
  search.started();
  search.ask();
  search.ended({.leased = {}, .passed = 2'000}, Time(1s));
  EXPECT_FALSE(search.wanted());
  EXPECT_EQ(search.asked_at(), Time(1200ms));
  search.tick(Time(1200ms));
  EXPECT_TRUE(search.wanted());
  search.started();
  search.ended({.leased = {}, .passed = 1'000'000}, Time(2s));
  search.ask();
  EXPECT_EQ(search.asked_at(), Time(3s));
  search.tick(Time(3s));
  search.started();
  search.ended({.leased = {}, .passed = 100}, Time(3s));
  search.ask();
  EXPECT_TRUE(search.wanted()) << "few cost nothing worth a pause";
}

TEST(HeadSearchTest, ItLooksAgainWhenTheEarliestMayBeFree) {
  HeadSearch search;
  search.ask();
  search.started();
  search.ended({.leased = {}, .again = Time(9s)}, Time(1s));
  search.ask_at(Time(5s));
  search.ask_at(Time(7s));
  EXPECT_EQ(search.asked_at(), Time(5s));
  search.tick(Time(4s));
  EXPECT_FALSE(search.wanted());
  search.tick(Time(5s));
  EXPECT_TRUE(search.wanted());
  EXPECT_EQ(search.asked_at(), std::nullopt);
}

}  // namespace
}  // namespace postern::relay
