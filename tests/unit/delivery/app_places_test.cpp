#include "relay/delivery/app_places.hpp"

#include <gtest/gtest.h>

#include "relay/delivery/fair_ring.hpp"
#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

const AppAddress kApp{nth<AgentId>(1), "localhost", 8000};

TEST(AppTable, AnAppIsKnownWhileAnAttemptIsUnderWayThere) {
  AppTable apps;
  const auto before = apps.join(kApp);
  ++before->taken;
  apps.leave(*before);
  const auto after = apps.join(kApp);
  EXPECT_EQ(after->taken, 1U) << "a destination that comes back finds its place taken";
  apps.leave(*after);
  --after->taken;
  apps.forget_if_idle(*after);
  EXPECT_EQ(apps.size(), 0U);
}

TEST(AppPlaces, APauseGrowsUntilAnAttemptGetsIn) {
  AppPlaces app{.at = kApp, .most = 1};
  EXPECT_EQ(app.refused(), AppPlaces::kLeastPause);
  EXPECT_EQ(app.room(), 0U);
  EXPECT_EQ(app.refused(), std::nullopt) << "it pauses already";
  app.resume();
  EXPECT_EQ(app.room(), 1U);
  EXPECT_EQ(app.refused(), 2 * AppPlaces::kLeastPause);
  for (int i = 0; i < 10; ++i) {
    app.resume();
    EXPECT_LE(app.refused(), AppPlaces::kMostPause);
  }
  app.resume();
  app.got_in();
  EXPECT_EQ(app.refused(), AppPlaces::kLeastPause);
}

TEST(AppPlaces, WhatItHasUnderWayItMayGoOnWith) {
  AppPlaces app{.at = kApp, .most = 4, .taken = 2};
  app.refused();
  EXPECT_EQ(app.room(), 0U);
  --app.taken;
  EXPECT_EQ(app.room(), 1U);
  app.refused();
  EXPECT_EQ(app.room(), 0U);
  app.most.reset();
  EXPECT_GT(app.room(), 1000U) << "nothing bounds it any more";
  EXPECT_EQ(app.refused(), std::nullopt);
}

struct AppLine : testing::Test {
  AppLine() {
    app->most = 1;
    for (std::uint64_t n = 1; n <= 3; ++n) {
      auto& queue = queues.emplace_back(std::make_unique<DestinationQueue>(make_destination(n)));
      queue->give_app(app);
      queue->handed_over(make_leased(n));
    }
  }
  DestinationQueue& nth_queue(std::size_t n) { return *queues[n - 1]; }
  std::shared_ptr<AppPlaces> app = std::make_shared<AppPlaces>(AppPlaces{.at = kApp});
  std::vector<std::unique_ptr<DestinationQueue>> queues;
};

TEST_F(AppLine, APlaceIsKeptForTheFrontOfTheLine) {
  app->taken = 1;
  for (std::size_t n : {1, 2}) nth_queue(n).await_place();
  nth_queue(1).await_place();
  EXPECT_EQ(app->waiting.size(), 2U) << "once only";
  app->taken = 0;
  EXPECT_FALSE(nth_queue(3).runnable()) << "it has come last";
  nth_queue(1).call();
  EXPECT_TRUE(nth_queue(1).runnable());
  EXPECT_EQ(app->room(), 0U);
  nth_queue(1).uncall();
  nth_queue(2).call();
  nth_queue(2).take_app_place();
  EXPECT_EQ(app->taken, 1U);
  EXPECT_EQ(app->called, 0U);
  EXPECT_TRUE(app->waiting.empty());
}

TEST_F(AppLine, WhereNothingBoundsItThereIsNoLine) {
  app->most.reset();
  app->taken = 1000;
  nth_queue(1).await_place();
  EXPECT_TRUE(app->waiting.empty());
  EXPECT_TRUE(nth_queue(1).runnable());
}

TEST_F(AppLine, WhoLeavesTheAppLeavesTheLineAndThePlaceThatWasKept) {
  app->taken = 1;
  for (std::size_t n : {1, 2}) nth_queue(n).await_place();
  app->taken = 0;
  nth_queue(1).call();
  nth_queue(1).leave_app_line();
  nth_queue(2).leave_app_line();
  EXPECT_EQ(app->called, 0U);
  EXPECT_TRUE(app->waiting.empty());
  EXPECT_TRUE(nth_queue(3).runnable());
}

TEST_F(AppLine, TheRingPutsThoseInTheLineThatFindNoRoom) {
  FairRing ring(100);
  for (std::size_t n : {1, 2, 3}) ring.add(nth_queue(n));
  DestinationQueue* first = ring.next();
  ASSERT_EQ(first, &nth_queue(1));
  first->take();
  ring.taken(*first, 10);
  first->take_app_place();
  EXPECT_EQ(ring.next(), nullptr);
  EXPECT_EQ(app->waiting.size(), 2U);
  EXPECT_FALSE(nth_queue(2).in_ring);
}

}  // namespace
}  // namespace postern::relay
