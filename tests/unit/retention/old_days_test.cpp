#include "relay/store/postgres/old_days.hpp"

#include "relay/store/postgres/event_log.hpp"
#include "relay/store/postgres/partitions.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

class OldDaysTest : public StoreTest {
 protected:
  Engine engine() const override { return Engine::postgres; }
  void SetUp() override {
    StoreTest::SetUp();
    source = make_source(workspace, "shop");
    destination = make_destination(workspace, "app");
  }
  void adjust(StoreOptions& options) override { options.postgres.retention = setting; }

  DeliveryId make(DeliveryState state) {
    intake.answer = {is_terminal(state) ? DeliveryState::leased : state,
                     is_terminal(state) ? "" : "agent_away"};
    NewEvent event =
        with_deliveries(make_event(workspace, source.id, fmt::format("k{}", ++made_)), {destination.id});
    event.dedupe_window = dedupe;
    const DeliveryId id = event.deliveries.front().id;
    EXPECT_TRUE(append(std::move(event)));
    if (is_terminal(state)) EXPECT_EQ(complete({completion(intake.leased.back(), state)}), 1U);
    return id;
  }
  void maintain() { static_cast<PostgresEventLog&>(log()).maintain(); }
  std::int64_t count(const std::string& table) { return number("SELECT count(*) FROM " + table); }

  Retention setting{days(30), days(10), days(5)};
  Duration dedupe = 1h;
  Source source;
  Destination destination;

 private:
  int made_ = 0;
};

TEST_F(OldDaysTest, ADayPastEveryRetentionIsDroppedWhole) {
  make(DeliveryState::delivered);
  clock.advance(days(7));
  make(DeliveryState::delivered);
  maintain();
  EXPECT_EQ(count("event"), 2);
  EXPECT_EQ(count("attempt"), 1);  // attempts are kept for less
  clock.advance(days(5));
  maintain();
  EXPECT_EQ(count("event"), 1);
  EXPECT_EQ(count("delivery"), 1);
  EXPECT_EQ(count("retention_going"), 0);
  EXPECT_GE(log().stats().days_dropped, 4U);
  // What is left still works: a repeat is counted, and a new event comes in.
  make(DeliveryState::delivered);
  EXPECT_EQ(count("event"), 2);
}

TEST_F(OldDaysTest, AnOpenDeliveryKeepsItsDayAndNoOther) {
  const DeliveryId open = make(DeliveryState::parked);
  make(DeliveryState::delivered);
  clock.advance(days(1));
  make(DeliveryState::delivered);
  clock.advance(days(12));
  maintain();
  EXPECT_EQ(count("event"), 2);
  EXPECT_EQ(delivery(open).state, DeliveryState::parked);
  EXPECT_EQ(complete({completion(claim_waiting(destination.id).at(0), DeliveryState::delivered)}), 1U);
  maintain();
  EXPECT_EQ(count("event"), 0);
  EXPECT_EQ(count("delivery"), 0);
}

TEST_F(OldDaysTest, AWorkspaceThatKeepsForLongerOrForEverKeepsTheDay) {
  make(DeliveryState::delivered);
  const auto set = [&](Duration events) {
    ASSERT_TRUE(write_void([&](Transaction& tx) {
      return WorkspaceRepository(tx).set_retention(workspace,
                                                   {.bodies = {}, .events = events, .attempts = {}});
    }));
  };
  clock.advance(days(20));
  for (const Duration longer : {Duration(days(30)), Duration(0)}) {
    set(longer);
    maintain();
    EXPECT_EQ(count("event"), 1);
  }
  set(days(15));
  maintain();
  EXPECT_EQ(count("event"), 0);
}

TEST_F(OldDaysTest, ADayStaysWhileARepeatOfItsEventsCouldCome) {
  dedupe = days(19);
  make(DeliveryState::delivered);
  clock.advance(days(15));
  maintain();
  EXPECT_EQ(count("event"), 1);
  clock.advance(days(5));
  maintain();
  EXPECT_EQ(count("event"), 0);
}

TEST_F(OldDaysTest, WhatIsAboutToGoIsNotSentAgain) {
  const DeliveryId dead = make(DeliveryState::dead);
  const auto [from, to] = Partitions::event_rows(Partitions::day_of(clock.now()));
  ASSERT_TRUE(write_void([&, first = from, end = to](Transaction& tx) -> Result<void> {
    auto done = tx.execute("INSERT INTO retention_going (from_row, to_row) VALUES (?1, ?2)", {first, end});
    return done ? Result<void>() : std::unexpected(done.error());
  }));
  auto retry = write<DeliveryId>(
      [&](Transaction& tx) { return DeliveryRepository(tx).retry(workspace, dead, ids, clock.now()); });
  EXPECT_EQ(retry.error().code, "body_expired");
}

}  // namespace
}  // namespace postern::relay
