// Claims along the order keys on PostgreSQL, and what is remembered from one to the next.
#include <random>

#include "relay/store/postgres/head_statements.hpp"
#include "relay/store/postgres/params.hpp"
#include "tests/unit/store/postgres_nodes_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class HeadClaimsTest : public PostgresTest {
 protected:
  Duration lease_time() const override { return 10s; }
  void SetUp() override {
    PostgresTest::SetUp();
    intake.answer = {DeliveryState::pending, ""};
    ASSERT_TRUE(append(workspace, source.id, "what all deliveries are of"));
  }

  DeliveryId put(OrderKey key) {
    auto event =
        with_deliveries(make_event(workspace, source.id, fmt::format("k{}", ++last_)), {destination});
    event.deliveries[0].order_key = key;
    EXPECT_TRUE(append(event));
    return event.deliveries[0].id;
  }
  /// One that may stand still in a transaction.
  pg::Connection patient() const {
    static const std::atomic<bool> never{false};
    return pg::Connection({.url = server_database->url(), .application = "test", .idle_time = {}}, never);
  }
  void by_hand(const std::string& sql) { server_database->connect().script(sql); }
  /// In whatever transaction the connection is in.
  void store_by(pg::Connection& connection, DeliveryId id, OrderKey key) {
    pg::Params params;
    params.add_bytes(id.bytes()).add_bytes(destination.bytes()).add(to_micros(clock.now())).add(key);
    connection.run(
        "INSERT INTO delivery (row, id, workspace_id, event_row, source_id, destination_id, state, reason, "
        "attempt_count, tries, lease, lease_node, next_at, created_at, updated_at, order_key) "
        "SELECT nextval('delivery_row') << 1, $1, e.workspace_id, e.row, e.source_id, $2, 0, '', 0, 0, 0, 0, "
        "$3, $3, $3, $4 FROM event e LIMIT 1",
        params);
  }
  EventLog::Heads look_from(EventLog& from, std::size_t limit, std::size_t run, OrderKey after = kNoOrder) {
    return wait_for<EventLog::Heads>(
        [&](auto done) { from.claim_heads({destination, clock.now(), after, limit, run}, std::move(done)); });
  }
  EventLog::Heads look(std::size_t run = 1) { return look_from(log(), 1'000, run); }
  std::vector<DeliveryId> looked() {
    std::vector<DeliveryId> found;
    for (const auto& it : look().leased) found.push_back(it.delivery.id);
    return found;
  }
  void end_all(const EventLog::Heads& heads) {
    for (const auto& it : heads.leased) EXPECT_EQ(complete({completion(it, DeliveryState::delivered)}), 1U);
  }
  /// Entries that all scans of delivery's indexes have come by which a claim in order may use. The server's
  /// processes say so when they end.
  std::int64_t entries_passed() {
    store.reset();
    auto connection = server_database->connect();
    EXPECT_TRUE(eventually([&] {
      return connection
                 .run(
                     "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                     "application_name = 'postern claim'")
                 .integer(0, 0) == 0;
    }));
    return connection
        .run(
            "SELECT sum(idx_tup_read)::int8 FROM pg_stat_user_indexes WHERE indexrelname IN "
            "('delivery_in_order', 'delivery_leased_in_order', 'delivery_born_in_order', "
            "'delivery_by_destination')")
        .integer(0, 0);
  }

  int last_ = 0;
};

using Ids = std::vector<DeliveryId>;

// Looks that walk pass 120,000 entries here, and 90,000 in the next one.
TEST_F(HeadClaimsTest, UnderAHeldSnapshotNoClaimPassesWhatIsOver) {
  constexpr int kAll = 300;
  auto holder = patient();
  holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery");
  for (int i = 0; i < kAll; ++i) {
    put(kWholeDestination);
    if (i % 3 != 2) continue;
    for (int claimed = 0; claimed < 3; ++claimed) end_all(look());
    EXPECT_TRUE(looked().empty());
  }
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 3"), kAll);
  EXPECT_LT(entries_passed(), kAll * 12);
}

TEST_F(HeadClaimsTest, NorWhatIsOverOfOtherKeys) {
  constexpr int kAll = 300;
  auto holder = patient();
  holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery");
  for (int i = 0; i < kAll; ++i) {
    put(2 + i % 20);
    end_all(look());
  }
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 3"), kAll);
  EXPECT_LT(entries_passed(), kAll * 12);
}

// Numbers of transactions of another server, far ahead of this one's, are no news for ever.
TEST_F(HeadClaimsTest, WhatCameFromAnotherServersDumpIsPassedOnce) {
  intake.answer = {DeliveryState::pending, "", 1h};
  for (int i = 0; i < 300; ++i) put(kWholeDestination);
  ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
    auto done = tx.execute("UPDATE delivery SET born = '50000000'");
    return done ? Result<void>() : std::unexpected(done.error());
  }));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(looked().empty());
  EXPECT_LT(entries_passed(), 300 + 200);
}

// Nor is what waits behind a head looked at, to see whether something of it is leased.
TEST_F(HeadClaimsTest, NoClaimPassesWhatWaitsBehindAHead) {
  intake.answer = {DeliveryState::pending, "", 1h};
  for (int i = 0; i < 300; ++i) put(kWholeDestination);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(looked().empty());
  EXPECT_LT(entries_passed(), 100);
}

TEST_F(HeadClaimsTest, WhatIsCommittedLateIsSeenHoweverOldItIs) {
  const auto old = ids.of<DeliveryId>(), older = ids.of<DeliveryId>(), never = ids.of<DeliveryId>();
  auto slow = patient();
  auto slower = patient();
  auto fails = patient();
  for (auto* connection : {&slow, &slower, &fails}) connection->script("BEGIN");
  store_by(slow, old, kWholeDestination);
  store_by(slower, older, kWholeDestination);
  store_by(fails, never, kWholeDestination);
  for (int i = 0; i < 3; ++i) {
    put(kWholeDestination);
    end_all(look());
  }
  const auto waits = put(kWholeDestination);
  slow.script("COMMIT");
  EXPECT_EQ(looked(), Ids{old});
  EXPECT_TRUE(looked().empty());
  slower.script("COMMIT");
  fails.script("ROLLBACK");
  EXPECT_TRUE(looked().empty()) << "one of the key is under way";
  by_hand("UPDATE delivery SET state = 3 WHERE state = 1");
  EXPECT_EQ(look(10).leased.size(), 2U);
  EXPECT_EQ(delivery(older).state, DeliveryState::leased);
  EXPECT_EQ(delivery(waits).state, DeliveryState::leased);
}

// The news are asked for some statements before; what comes in between must not be passed over either.
TEST_F(HeadClaimsTest, TheStatementThatLocksSeesWhatTheNewsCouldNot) {
  const auto late = ids.of<DeliveryId>(), later = ids.of<DeliveryId>(), head = put(7);
  auto slow = patient();
  slow.script("BEGIN");
  store_by(slow, late, 7);
  auto connection = server_database->connect();
  const auto snapshot = connection.run("SELECT pg_current_snapshot()::text");
  slow.script("COMMIT");
  store_by(connection, later, 7);
  pg::Array keys(pg::Type::int8), runs(pg::Type::int8), heads(pg::Type::uuid);
  keys.add(7);
  runs.add(2);
  heads.add(head.bytes());
  pg::Params params;
  params.add_bytes(destination.bytes()).add(std::move(keys)).add(std::move(runs)).add(std::move(heads));
  params.add_text(snapshot.bytes(0, 0)).add(to_micros(clock.now())).add(std::int64_t{10});
  const auto rows = connection.run(pg::kRunsOfHeads, params);
  ASSERT_EQ(rows.size(), 2U);
  const auto row_of = [&](DeliveryId id) {
    pg::Params which;
    which.add_bytes(id.bytes());
    return connection.run("SELECT row FROM delivery WHERE id = $1", which).integer(0, 0);
  };
  EXPECT_EQ(rows.integer(0, 0), row_of(late));
  EXPECT_EQ(rows.integer(1, 0), row_of(later));
}

// A transaction of somebody else that stays open keeps no news from being the last ones.
TEST_F(HeadClaimsTest, AWriterThatStaysOpenCostsNothing) {
  auto writer = patient();
  writer.script("BEGIN; CREATE TABLE work (); SELECT pg_current_xact_id()");
  constexpr int kAll = 300;
  for (int i = 0; i < kAll; ++i) {
    put(2 + i % 20);
    if (i % 2 == 0) end_all(look());
  }
  writer.script("ROLLBACK");
  EXPECT_LT(entries_passed(), kAll * 12);
}

TEST_F(HeadClaimsTest, WhatSomebodyChangedByHandIsFoundWithinAMinute) {
  const auto again = put(7);
  const auto first = look();
  EXPECT_EQ(complete({completion(first.leased.at(0), DeliveryState::dead)}), 1U);
  EXPECT_TRUE(looked().empty());
  by_hand("UPDATE delivery SET state = 0, next_at = 0");
  EXPECT_TRUE(looked().empty()) << "or the look walks each time";
  clock.advance(60s);
  EXPECT_EQ(looked(), Ids{again});
}

// Behind another connection may be another server, whose transactions have numbers of their own.
TEST_F(HeadClaimsTest, AnotherConnectionRemembersNothing) {
  EXPECT_TRUE(looked().empty());
  const auto id = ids.of<DeliveryId>();
  auto connection = server_database->connect();
  connection.script("BEGIN");
  store_by(connection, id, 7);
  connection.script("UPDATE delivery SET born = '3'; COMMIT");
  EXPECT_TRUE(looked().empty());
  connection.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
      "application_name = 'postern claim'");
  EXPECT_TRUE(eventually([&] {
    try {
      return looked() == Ids{id};
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
}

class HeadTakeoverTest : public HeadClaimsTest {
 protected:
  Duration lease_time() const override { return kLease; }
};

TEST_F(HeadTakeoverTest, WhatADeadNodeHadGoesBeforeWhatWaitsBehindIt) {
  auto other = another("other");
  const auto first = put(7), second = put(7);
  ASSERT_EQ(look_from(*other->event_log, 1, 1).leased.size(), 1U);
  EXPECT_TRUE(looked().empty());
  other.reset();
  Ids taken;
  EXPECT_TRUE(eventually([&] { return !(taken = looked()).empty(); }));
  EXPECT_EQ(taken, Ids{first});
  EXPECT_EQ(delivery(second).state, DeliveryState::pending);
}

/// What there is, as the reference sees it: all that is committed and open, by key, in the order of the ids.
struct Open {
  OrderKey key = kNoOrder;
  Time next_at;
  unsigned tries = 0;
  std::optional<LeasedDelivery> leased = {};
};
using Reference = std::map<DeliveryId, Open>;

/// What a look at all keys must give.
std::map<OrderKey, Ids> due_in(const Reference& all, Time now, std::size_t run) {
  std::map<OrderKey, Ids> due;
  std::map<OrderKey, std::size_t> room;
  for (const auto& [id, it] : all) {
    auto [left, is_head] = room.try_emplace(it.key, it.tries > 0 ? 1 : run);
    if (it.leased || it.next_at > now) left->second = 0;
    if (left->second == 0) continue;
    --left->second;
    due[it.key].push_back(id);
  }
  for (const auto& [id, it] : all) {
    if (it.leased) due.erase(it.key);
  }
  return due;
}

/// Two nodes that look, and writers that commit when they like what has the ids it likes.
class HeadClaimsWorld : public HeadClaimsTest {
 protected:
  static constexpr std::size_t kWriters = 3;
  void SetUp() override {
    HeadClaimsTest::SetUp();
    other = another("other");
    for (std::size_t i = 0; i < kWriters; ++i)
      writers.push_back({std::unique_ptr<pg::Connection>(new auto(patient())), {}, false});
  }
  void step() {
    const auto what = dice() % 100;
    if (what < 30) return write_some();
    if (what < 50) return commit_one();
    if (what < 75) return look_and_compare();
    if (what < 80) return clock.advance(1s);
    end_one();
  }
  void write_some() {
    Writer& writer = writers[dice() % kWriters];
    if (!std::exchange(writer.open, true)) writer.connection->script("BEGIN");
    DeliveryId id;
    for (std::size_t i = 0; i < 4; ++i) id.uuid[12 + i] = static_cast<std::uint8_t>(dice());
    const auto key = static_cast<OrderKey>(1 + dice() % 4);
    store_by(*writer.connection, id, key);
    writer.stored[id] = {.key = key, .next_at = clock.now()};
  }
  void commit_one() {
    Writer& writer = writers[dice() % kWriters];
    if (!std::exchange(writer.open, false)) return;
    const bool good = dice() % 5 != 0;
    writer.connection->script(good ? "COMMIT" : "ROLLBACK");
    if (good) reference.merge(writer.stored);
    writer.stored.clear();
  }
  void look_and_compare() {
    const std::size_t run = 1 + dice() % 3;
    EventLog& from = dice() % 2 == 0 ? log() : *other->event_log;
    const auto expected = due_in(reference, clock.now(), run);
    std::map<OrderKey, Ids> got;
    for (LeasedDelivery& it : look_from(from, 1'000, run).leased) {
      got[it.order_key].push_back(it.delivery.id);
      reference.at(it.delivery.id).leased = std::move(it);
    }
    ASSERT_EQ(got, expected);
  }
  void end_one() {
    std::vector<DeliveryId> leased;
    for (const auto& [id, it] : reference) {
      if (it.leased) leased.push_back(id);
    }
    if (leased.empty()) return;
    const auto id = leased[dice() % leased.size()];
    Open& it = reference.at(id);
    const bool retry = dice() % 3 == 0;
    auto over = completion(*it.leased, retry ? DeliveryState::pending : DeliveryState::delivered);
    it.next_at = over.next_at = clock.now() + std::chrono::seconds(dice() % 3);
    ASSERT_EQ(complete({over}), 1U);
    ++it.tries;
    it.leased.reset();
    if (!retry) reference.erase(id);
  }

  struct Writer {
    std::unique_ptr<pg::Connection> connection;
    Reference stored;
    bool open = false;
  };
  std::unique_ptr<Store> other;
  std::vector<Writer> writers;
  Reference reference;
  std::mt19937 dice;
};

TEST_F(HeadClaimsWorld, EachLookGivesJustWhatIsDueWhateverIsRemembered) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    dice.seed(seed);
    for (int i = 0; i < 400; ++i) ASSERT_NO_FATAL_FAILURE(step());
    clock.advance(60s);
  }
}

}  // namespace
}  // namespace postern::relay
