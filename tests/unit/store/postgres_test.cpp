// What only PostgreSQL has: several nodes, leases of nodes, the wall between workspaces, migrations by many.
#include <random>

#include "base/bytes.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/postgres/doubtful_leases.hpp"
#include "relay/store/postgres/event_log.hpp"
#include "relay/store/postgres/lock_numbers.hpp"
#include "relay/store/postgres/migrate.hpp"
#include "relay/store/postgres/transaction.hpp"
#include "tests/unit/store/postgres_nodes_fixture.hpp"

namespace postern::relay {
namespace {

TEST_F(PostgresTest, TwoNodesNeverClaimTheSame) {
  intake.answer = {DeliveryState::pending, ""};
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(append(workspace, source.id, fmt::format("k{}", i), {destination}));
  const auto other = another("other");
  std::vector<LeasedDelivery> mine, theirs;
  std::thread there([&] {
    for (int i = 0; i < 10; ++i)
      std::ranges::move(claim(*other->event_log, clock.now()), std::back_inserter(theirs));
  });
  for (int i = 0; i < 10; ++i) std::ranges::move(claim(log(), clock.now()), std::back_inserter(mine));
  there.join();
  std::set<std::string> all;
  for (const auto& it : mine) all.insert(it.delivery.id.to_string());
  for (const auto& it : theirs) all.insert(it.delivery.id.to_string());
  EXPECT_EQ(all.size(), 60U);
  EXPECT_EQ(mine.size() + theirs.size(), 60U);
}

/// What everybody knows of who has what, and of what has ended.
struct OrderLedger {
  std::mutex mutex;
  std::map<OrderKey, int> holder;
  std::map<OrderKey, std::vector<DeliveryId>> ended;
  std::size_t total = 0;
  std::string broken;
};

/// Claims runs and ends them one by one; now and then one is to be tried again, and the rest goes back with
/// it.
void work_in_order(EventLog& log, int node, DestinationId destination, Clock& clock, OrderLedger& ledger,
                   std::size_t all) {
  std::mt19937_64 dice(static_cast<std::uint64_t>(node));
  OrderKey after = kNoOrder;
  const auto heads = [&] {
    std::promise<Result<EventLog::Heads>> got;
    log.claim_heads({destination, clock.now(), after, 1 + dice() % 6, 1 + dice() % 4},
                    [&](auto result) { got.set_value(std::move(result)); });
    return got.get_future().get();
  };
  const auto done = [&] {
    const std::lock_guard lock(ledger.mutex);
    return ledger.total >= all || !ledger.broken.empty();
  };
  while (!done()) {
    const auto found = heads();
    if (!found) continue;
    after = found->seen_to;
    std::map<OrderKey, std::vector<LeasedDelivery>> lines;
    for (const auto& it : found->leased) lines[it.order_key].push_back(it);
    {
      const std::lock_guard lock(ledger.mutex);
      for (const auto& [key, line] : lines) {
        int& holder = ledger.holder[key];
        if (holder != 0) ledger.broken = fmt::format("key {} is with {} and {}", key, holder, node);
        holder = node;
      }
    }
    for (const auto& [key, line] : lines) {
      const std::size_t good = dice() % (line.size() + 1);
      std::vector<Completion> completions;
      for (std::size_t i = 0; i < line.size(); ++i) {
        completions.push_back({.delivery_id = line[i].delivery.id,
                               .lease_token = line[i].lease_token,
                               .attempt = {},
                               .next = i < good ? DeliveryState::delivered : DeliveryState::pending,
                               .next_at = clock.now(),
                               .reason = {}});
      }
      {
        const std::lock_guard lock(ledger.mutex);
        for (std::size_t i = 0; i < good; ++i) ledger.ended[key].push_back(line[i].delivery.id);
        ledger.total += good;
        ledger.holder[key] = 0;
      }
      // In parts, so that others see a run of which some are free and some are not.
      for (Completion& it : completions) {
        std::promise<std::size_t> fenced_in;
        log.complete({std::move(it)}, [&](auto result) { fenced_in.set_value(result.value_or(0)); });
        if (fenced_in.get_future().get() != 1) {
          const std::lock_guard lock(ledger.mutex);
          ledger.broken = "a lease was lost";
        }
      }
    }
  }
}

// Stored while two nodes claim: of each key only one node has any, and they end in their order.
TEST_F(PostgresTest, TwoNodesKeepTheOrderOfEachKeyBetweenThem) {
  intake.answer = {DeliveryState::pending, ""};
  const auto other = another("other");
  constexpr std::size_t kAll = 600;
  OrderLedger ledger;
  std::thread here([&] { work_in_order(log(), 1, destination, clock, ledger, kAll); });
  std::thread there([&] { work_in_order(*other->event_log, 2, destination, clock, ledger, kAll); });
  std::map<OrderKey, std::vector<DeliveryId>> sent;
  for (std::size_t i = 0; i < kAll; ++i) {
    auto event = with_deliveries(make_event(workspace, source.id, fmt::format("k{}", i)), {destination});
    event.deliveries[0].order_key = static_cast<OrderKey>(2 + i % 5);
    sent[event.deliveries[0].order_key].push_back(event.deliveries[0].id);
    EXPECT_TRUE(append(event));
  }
  here.join();
  there.join();
  EXPECT_EQ(ledger.broken, "");
  EXPECT_EQ(ledger.ended, sent);
}

TEST_F(PostgresTest, ALookThatMeetsAnotherNodesSaysSoAndLooksAtNothing) {
  intake.answer = {DeliveryState::pending, ""};
  auto event = with_deliveries(make_event(workspace, source.id, "k"), {destination});
  event.deliveries[0].order_key = 7;
  ASSERT_TRUE(append(event));
  const auto look = [&] {
    return wait_for<EventLog::Heads>([&](auto done) {
      log().claim_heads({.destination = destination, .now = clock.now(), .after = 3, .limit = 10},
                        std::move(done));
    });
  };
  {
    auto other = server_database->connect();
    other.run(fmt::format("SELECT pg_advisory_lock({}, x'{}'::int)", pg::kHeadsLock,
                          hex_encode(destination.bytes().substr(12))));
    const auto busy = look();
    EXPECT_TRUE(busy.busy);
    EXPECT_TRUE(busy.leased.empty());
    EXPECT_EQ(busy.again, clock.now() + std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(eventually([&] { return !look().busy; }));
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 1"), 1);
}

// It would keep all others from the destination for as long.
TEST_F(PostgresTest, ANodeThatStandsStillInAClaimIsEndedSoon) {
  const std::atomic<bool> never{false};
  PostgresOptions options;
  options.url = server_database->url();
  pg::Connection claims(options.claim_connection(), never);
  EXPECT_EQ(claims.run("SELECT current_setting('idle_in_transaction_session_timeout')").bytes(0, 0), "2s");
}

// What is admitted wakes nobody again: a look that was asked for because of it must not come before its
// commit.
TEST_F(PostgresTest, ALookAlongTheKeysSeesWhatWasAdmittedBeforeItWasAskedFor) {
  struct Admits final : DeliveryIntake {
    Admission admit(const NewDelivery&, const Event&) override {
      admitted = true;
      return {DeliveryState::pending, ""};
    }
    void handed_over(std::vector<LeasedDelivery>) override {}
    void wake() override {}
    std::atomic<bool> admitted{false};
  } admits;
  log().attach(admits);
  server_database->connect().script(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; "
      "END'; CREATE TRIGGER slow AFTER INSERT ON delivery EXECUTE FUNCTION slow()");
  auto event = with_deliveries(make_event(workspace, source.id, "k"), {destination});
  event.deliveries[0].order_key = 7;
  std::thread sender([&] { EXPECT_TRUE(append(event)); });
  EXPECT_TRUE(eventually([&] { return admits.admitted.load(); }));
  const auto heads = wait_for<EventLog::Heads>([&](auto done) {
    log().claim_heads({.destination = destination, .now = clock.now(), .limit = 10}, std::move(done));
  });
  sender.join();
  EXPECT_EQ(heads.leased.size(), 1U);
  log().attach(intake);
}

TEST_F(PostgresTest, AnEventOfOneNodeIsADuplicateOnTheOther) {
  boost::asio::io_context own;  // outlives the store, whose writer may still be in the middle of a post
  const auto other = another("other");
  const auto first = append(workspace, source.id, "k1");
  std::promise<Result<Appended>> answer;
  auto guard = boost::asio::make_work_guard(own);
  other->event_log->append(with_deliveries(make_event(workspace, source.id, "k1"), {}), own.get_executor(),
                           [&](Result<Appended> outcome) {
                             answer.set_value(std::move(outcome));
                             guard.reset();
                           });
  own.run();
  const auto again = answer.get_future().get();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->event_id, first->event_id);
}

TEST_F(PostgresTest, WhatANodeHadIsTakenOverWhenItIsGone) {
  auto other = another("other");
  intake.answer = {DeliveryState::pending, ""};
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const auto leased = claim(*other->event_log, clock.now());
  ASSERT_EQ(leased.size(), 1U);
  EXPECT_TRUE(claim(log(), clock.now()).empty());
  other.reset();
  std::vector<LeasedDelivery> taken;
  EXPECT_TRUE(eventually([&] { return !(taken = claim(log(), clock.now())).empty(); }));
  EXPECT_EQ(taken.at(0).delivery.id, leased[0].delivery.id);
  // The one that is gone is fenced out, whatever it says now.
  EXPECT_EQ(complete({completion(leased[0], DeliveryState::delivered)}), 0U);
  EXPECT_EQ(complete({completion(taken[0], DeliveryState::delivered)}), 1U);
}

TEST_F(PostgresTest, ANodeThatWasBuriedDropsWhatItHadAndJoinsAgain) {
  class Told final : public DeliveryIntake {
   public:
    Admission admit(const NewDelivery&, const Event&) override { return {DeliveryState::leased, ""}; }
    void handed_over(std::vector<LeasedDelivery>) override {}
    void wake() override {}
    // Here it has no number under which it could lease.
    void leases_lost() override {
      std::promise<bool> got;
      log->claim_due(now, 1, {}, [&](auto claimed) { got.set_value(claimed.has_value()); });
      claimed = got.get_future().get();
      ++lost;
    }
    EventLog* log = nullptr;
    Time now;
    bool claimed = false;
    std::atomic<int> lost{0};
  } told;
  const auto other = another("other");
  told.log = other->event_log.get();
  told.now = clock.now();
  other->event_log->attach(told);
  ASSERT_TRUE(write_void([](Transaction& tx) -> Result<void> {
    auto done = tx.execute("UPDATE node SET buried_at = now() WHERE id = (SELECT max(id) FROM node)");
    if (!done) return std::unexpected(done.error());
    return {};
  }));
  EXPECT_TRUE(eventually([&] { return told.lost == 1; }));
  EXPECT_FALSE(told.claimed);
  EXPECT_TRUE(eventually([&] { return other->event_log->holds_leases(); }));
  EXPECT_EQ(number("SELECT count(*) FROM node WHERE buried_at IS NULL"), 2);
  other->event_log->stop();
}

/// Of a node whose leases are lost just as it admits.
class PostgresLossTest : public PostgresTest {
 protected:
  /// Terms as the dispatcher counts them.
  class Intake final : public DeliveryIntake {
   public:
    Admission admit(const NewDelivery&, const Event&) override {
      if (before) before();
      const std::uint64_t in = term;
      if (after) after();
      return {DeliveryState::leased, "", {}, in};
    }
    void handed_over(std::vector<LeasedDelivery> deliveries) override {
      for (const LeasedDelivery& it : deliveries) (it.term == term ? good : stale) += 1;
    }
    void wake() override {}
    void leases_lost() override {
      ++term;
      if (told) told();
    }
    bool forgetting() const override { return still_forgetting; }
    std::function<void()> before, after, told;
    std::atomic<std::uint64_t> term{0};
    std::atomic<int> good{0}, stale{0};
    std::atomic<bool> still_forgetting{false};
  };

  void SetUp() override {
    PostgresTest::SetUp();
    other = another("other");
    other->event_log->attach(theirs);
    first_number = other->event_log->node();
  }
  void TearDown() override { other->event_log->stop(); }
  void execute(const std::string& sql) {
    ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
      auto done = tx.execute(sql);
      if (!done) return std::unexpected(done.error());
      return {};
    }));
  }
  void bury() { execute(fmt::format("UPDATE node SET buried_at = now() WHERE id = {}", first_number)); }
  void bury_and_wait_for_the_loss() {
    bury();
    EXPECT_TRUE(eventually([&] { return theirs.term == 1; }));
  }
  bool append_there() {
    std::promise<bool> answer;
    other->event_log->append(with_deliveries(make_event(workspace, source.id, "k1"), {destination}),
                             loop.get_executor(),
                             [&](Result<Appended> it) { answer.set_value(it.has_value()); });
    auto guard = boost::asio::make_work_guard(loop);
    auto future = answer.get_future();
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      loop.run_for(std::chrono::milliseconds(5));
    return future.get();
  }
  static bool claim_there_works(EventLog& from, Time now) {
    std::promise<bool> works;
    from.claim_due(now, 1, {}, [&](auto claimed) { works.set_value(claimed.has_value()); });
    return works.get_future().get();
  }
  std::int64_t holder() { return number("SELECT lease_node FROM delivery WHERE state = 1"); }

  Intake theirs;
  std::unique_ptr<Store> other;
  int first_number = 0;
};

TEST_F(PostgresLossTest, WhatIsAdmittedAfterTheLossIsLeasedByTheNewNumber) {
  theirs.before = [this] { bury_and_wait_for_the_loss(); };
  ASSERT_TRUE(append_there());
  EXPECT_EQ(theirs.good, 1);
  EXPECT_NE(other->event_log->node(), first_number);
  EXPECT_EQ(holder(), other->event_log->node());
  std::this_thread::sleep_for(2 * kLease);  // heartbeats, which release what no living node has
  EXPECT_TRUE(claim(log(), clock.now()).empty()) << "it would go out twice";
}

TEST_F(PostgresLossTest, WhatWasAdmittedBeforeItComesBackWithTheHandOver) {
  theirs.after = [this] { bury_and_wait_for_the_loss(); };
  ASSERT_TRUE(append_there());
  EXPECT_EQ(theirs.good, 0);
  EXPECT_EQ(theirs.stale, 1);
}

TEST_F(PostgresLossTest, OneThatCannotJoinAgainIsToldOnceItCan) {
  execute("CREATE FUNCTION no_node() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'full'; END $$");
  execute("CREATE TRIGGER no_node BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION no_node()");
  bury();
  ASSERT_TRUE(eventually([&] { return !other->event_log->holds_leases(); }));
  ASSERT_TRUE(append_there()) << "it still takes events";
  EXPECT_EQ(theirs.term, 0U) << "what is admitted meanwhile is of the term that has yet to end";
  std::vector<LeasedDelivery> taken;
  EXPECT_TRUE(eventually([&] { return !(taken = claim(log(), clock.now())).empty(); }))
      << "and others make them";
  execute("DROP TRIGGER no_node ON node");
  EXPECT_TRUE(eventually([&] { return other->event_log->holds_leases(); }));
  EXPECT_EQ(theirs.term, 1U);
  EXPECT_NE(other->event_log->node(), first_number);
}

TEST_F(PostgresLossTest, NothingStartsBeforeTheIntakeHasForgottenWhatItHad) {
  theirs.told = [this] { theirs.still_forgetting = true; };
  bury_and_wait_for_the_loss();
  EXPECT_TRUE(eventually([&] { return claim_there_works(*other->event_log, clock.now()); }));
  EXPECT_FALSE(other->event_log->holds_leases());
  theirs.still_forgetting = false;
  EXPECT_TRUE(other->event_log->holds_leases());
}

// This node may have been buried meanwhile, come back, and leased the very same again.
TEST_F(PostgresTest, WhatIsInDoubtIsTakenBackFromTheNumberItWasLeasedUnderOnly) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const std::int64_t row = LeaseToken::unpack(intake.leased.at(0).lease_token).row;
  const int node = log().node();
  constexpr int kNoBackend = 0;
  auto connection = server_database->connect();
  DoubtfulLeases doubtful;
  doubtful.add(kNoBackend, node + 1000, {row});
  EXPECT_EQ(doubtful.settle(connection), 0U);
  doubtful.add(kNoBackend, node, {row});
  EXPECT_EQ(doubtful.settle(connection), 1U);
  EXPECT_FALSE(doubtful.any());
}

TEST_F(PostgresTest, ADeliveryWhoseNodeDiedOverAndOverIsDead) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const auto poison = intake.leased.at(0).delivery.id;
  ASSERT_TRUE(write_void([](Transaction& tx) -> Result<void> {
    auto done = tx.execute("UPDATE delivery SET crashes = 5, lease_node = 0");
    if (!done) return std::unexpected(done.error());
    return {};
  }));
  EXPECT_TRUE(eventually([&] { return delivery(poison).state == DeliveryState::dead; }));
  EXPECT_EQ(delivery(poison).reason, "worker_crashed");
}

TEST_F(PostgresTest, AConfinedTransactionSeesItsWorkspaceOnlyWhateverItAsks) {
  const Workspace elsewhere = make_workspace("elsewhere");
  make_source(elsewhere.id, "theirs");
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  EXPECT_EQ(complete({completion(intake.leased.at(0), DeliveryState::delivered)}), 1U);
  const auto seen = [&](WorkspaceId who, const std::string& what) {
    return read([&](Transaction& tx) {
      tx.confine(who);
      std::int64_t count = -1;
      tx.query("SELECT count(*) FROM " + what, {}, [&](const Row& row) { count = row.integer(0); });
      return count;
    });
  };
  for (const auto* table : {"source", "destination", "event", "delivery", "attempt"}) {
    EXPECT_EQ(seen(workspace, table), 1) << table;
    EXPECT_EQ(seen(elsewhere.id, table), std::string(table) == "source" ? 1 : 0) << table;
  }
  EXPECT_EQ(seen(elsewhere.id, "workspace"), 1);
  const auto denied = read_and_wait(db(), [&](Transaction& tx) {
    tx.confine(elsewhere.id);
    tx.query("SELECT key FROM dedupe", {}, [](const Row&) {});
  });
  EXPECT_FALSE(denied);
  // Nor can it write there.
  const auto outcome = write_and_wait(db(), [&](Transaction& tx) -> Result<void> {
    tx.confine(elsewhere.id);
    auto changed = tx.execute("UPDATE source SET enabled = 0", {});
    EXPECT_EQ(changed.value_or(-1), 1);
    auto stolen = tx.execute("UPDATE source SET workspace_id = ?1", {rows::id(workspace)});
    return stolen ? Result<void>() : std::unexpected(stolen.error());
  });
  EXPECT_FALSE(outcome);
}

TEST_F(PostgresTest, JobsThatMeetAreRunAgainAndNoneIsLost) {
  ASSERT_TRUE(write_void([](Transaction& tx) -> Result<void> {
    auto made = tx.execute("INSERT INTO store_setting (name, value) VALUES ('n', '0')");
    return made ? Result<void>() : std::unexpected(made.error());
  }));
  std::vector<std::future<Result<void>>> outcomes;
  for (int i = 0; i < 40; ++i) {
    auto promise = std::make_shared<std::promise<Result<void>>>();
    outcomes.push_back(promise->get_future());
    db().write(
        [](Transaction& tx) -> Result<void> {
          int seen = 0;
          tx.query("SELECT value FROM store_setting WHERE name = 'n'", {},
                   [&](const Row& row) { seen = std::stoi(std::string(row.blob(0))); });
          auto put = tx.execute("UPDATE store_setting SET value = ?1 WHERE name = 'n'",
                                {Blob{std::to_string(seen + 1)}});
          return put ? Result<void>() : std::unexpected(put.error());
        },
        [promise](Result<void> outcome) { promise->set_value(std::move(outcome)); });
  }
  int done = 0;
  for (auto& outcome : outcomes) done += outcome.get().has_value();
  EXPECT_EQ(number("SELECT convert_from(value, 'UTF8')::bigint FROM store_setting WHERE name = 'n'"), done);
  EXPECT_GT(done, 0);
}

TEST_F(PostgresTest, AKeyIsOneAroundMidnightWhateverTheNodesClocksSay) {
  const auto midnight = std::chrono::ceil<std::chrono::days>(clock.now());
  const auto other = another("other");
  clock.advance(midnight - clock.now() - std::chrono::seconds(1));
  for (int step = 0; step < 8; ++step) {
    const std::string key = fmt::format("k{}", step);
    EXPECT_FALSE(append(workspace, source.id, key)->duplicate);
    clock.advance(std::chrono::seconds(45));
    EXPECT_TRUE(append(workspace, source.id, key)->duplicate) << step;
  }
  EXPECT_EQ(number("SELECT count(*) FROM event"), 8);
}

TEST_F(PostgresTest, TextThatTheServerWouldRefuseIsMendedAndBytesAreKept) {
  Event event = make_event(workspace, source.id, std::string("\0\xff key", 6));
  event.type = std::string("half\0a\xc3", 7);
  event.target = std::string("/\0\xfe", 3);
  const auto id = event.id;
  ASSERT_TRUE(append(with_deliveries(event, {destination})));
  const auto stored = read([&](Transaction& tx) { return EventRepository(tx).get(workspace, id); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->event.type,
            "half\xef\xbf\xbd"
            "a\xef\xbf\xbd");
  EXPECT_EQ(stored->event.target, event.target);
  EXPECT_EQ(stored->event.dedupe_key, event.dedupe_key);
}

TEST_F(PostgresTest, ALostConnectionCostsABusyAnswerAndThenAllGoesOn) {
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  const auto leased = intake.leased.at(0);
  auto admin = server_database->connect();
  for (int i = 0; i < 5; ++i) {
    admin.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'postern %' AND "
        "datname = current_database()");
    const auto outcome = append(workspace, source.id, fmt::format("l{}", i));
    if (!outcome) EXPECT_EQ(outcome.error().code, "store_busy");
  }
  EXPECT_TRUE(eventually([&] { return append(workspace, source.id, "later").has_value(); }));
  EXPECT_EQ(complete({completion(leased, DeliveryState::delivered)}), 1U);
}

class PostgresMigrateTest : public ::testing::Test {
 protected:
  TestDatabase database;
  ManualClock clock;
};

TEST_F(PostgresMigrateTest, ManyAtOnceApplyEachMigrationOnce) {
  PostgresOptions options;
  options.url = database.url();
  std::atomic<std::size_t> applied{0}, failed{0};
  std::vector<std::thread> nodes;
  for (int i = 0; i < 6; ++i) {
    nodes.emplace_back([&] {
      const auto report = pg::migrate(options, clock.now());
      if (report)
        applied += report->applied.size();
      else
        ++failed;
    });
  }
  for (auto& node : nodes) node.join();
  EXPECT_EQ(failed, 0U);
  EXPECT_EQ(applied, postgres_migrations().size());
}

TEST_F(PostgresMigrateTest, OneThatIsKilledMidwayLeavesNothingBehind) {
  const Migration slow{1, "0001_slow",
                       "CREATE TABLE half (x int); SELECT pg_sleep(20); CREATE TABLE other (x int);"};
  std::thread killer([this] {
    auto admin = database.connect();
    const std::string_view kill =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE half%' AND "
        "datname = current_database()";
    while (admin.run(kill).size() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
  static const std::atomic<bool> never{false};
  {
    pg::Connection connection(
        {.url = database.url(), .application = "migrate", .statement_time = {}, .silence_time = {}}, never);
    const auto killed = pg::migrate(connection, {&slow, 1}, clock.now());
    EXPECT_FALSE(killed);
  }
  killer.join();
  auto after = database.connect();
  EXPECT_EQ(after.run("SELECT count(*) FROM pg_tables WHERE tablename IN ('half', 'other')").integer(0, 0),
            0);
  const Migration quick{1, "0001_quick", "CREATE TABLE half (x int);"};
  EXPECT_TRUE(pg::migrate(after, {&quick, 1}, clock.now()));
  const auto changed = pg::migrate(after, {&slow, 1}, clock.now());
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, "migration_changed");
}

TEST_F(PostgresMigrateTest, AServerThatMayLoseWhatItAcknowledgedIsRefused) {
  auto connection = database.connect();
  EXPECT_TRUE(assert_durable(connection));
  PostgresOptions nowhere;
  nowhere.url = "postgresql://relay:sesame@127.0.0.1:1/nothing";
  const auto refused = PostgresDatabase::open(nowhere, clock.now());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "store_unreachable");
  EXPECT_EQ(refused.error().message.find("sesame"), std::string::npos);
}

}  // namespace
}  // namespace postern::relay
