#include <sys/mount.h>

#include <fstream>

#include "relay/store/sqlite/migrate.hpp"
#include "tests/unit/store/failing_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using DatabaseTest = StoreTest;

Result<void> put(Transaction& tx, const std::string& name) {
  auto done = tx.execute("INSERT INTO store_setting (name, value) VALUES (?1, ?2)", {name, Blob{"x"}});
  if (!done) return std::unexpected(done.error());
  return {};
}

/// Holds the writer thread inside a job until it is let go, so that what follows lands in one group.
class Gate {
 public:
  explicit Gate(Database& db) {
    std::promise<void> entered;
    db.write(
        [&entered, future = open_.get_future().share()](Transaction&) -> Result<void> {
          entered.set_value();
          future.wait();
          return {};
        },
        {});
    entered.get_future().wait();
  }
  void open() { open_.set_value(); }

 private:
  std::promise<void> open_;
};

TEST_F(DatabaseTest, AFailedJobHarmsNoOtherOfItsGroup) {
  Gate gate(db());
  std::vector<std::future<Result<void>>> outcomes;
  const auto submit = [&](Database::WriteJob job) {
    auto promise = std::make_shared<std::promise<Result<void>>>();
    outcomes.push_back(promise->get_future());
    db().write(std::move(job), [promise](Result<void> outcome) { promise->set_value(std::move(outcome)); });
  };
  submit([](Transaction& tx) { return put(tx, "first"); });
  submit([](Transaction& tx) -> Result<void> {
    static_cast<void>(put(tx, "half"));
    return fail("no", "Changed its mind.");
  });
  submit([](Transaction& tx) { return put(tx, "first"); });
  submit([](Transaction& tx) -> Result<void> {
    static_cast<void>(put(tx, "thrown"));
    throw std::runtime_error("a bug");
  });
  submit([](Transaction& tx) -> Result<void> {
    static_cast<void>(tx.execute("INSERT INTO no_such_table VALUES (1)", {}));
    return {};
  });
  submit([](Transaction& tx) { return put(tx, "last"); });
  const auto commits = store->database->stats().commits;
  gate.open();
  EXPECT_TRUE(outcomes[0].get());
  EXPECT_EQ(outcomes[1].get().error().code, "no");
  EXPECT_EQ(outcomes[2].get().error().code, "conflict");
  EXPECT_EQ(outcomes[3].get().error().code, "job_failed");
  EXPECT_EQ(outcomes[4].get().error().code, "job_failed");
  EXPECT_TRUE(outcomes[5].get());
  EXPECT_EQ(store->database->stats().commits, commits + 2);
  EXPECT_EQ(number("SELECT count(*) FROM store_setting WHERE name IN ('first', 'last')"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM store_setting WHERE name IN ('half', 'thrown')"), 0);
  EXPECT_EQ(fatal, 0);
}

TEST_F(DatabaseTest, ReadersCannotWrite) {
  auto outcome = read_and_wait(db(), [](Transaction& tx) { static_cast<void>(put(tx, "sneaked")); });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "store_failed");
}

TEST_F(DatabaseTest, ReadingAColumnAsAnotherTypeIsAFault) {
  auto outcome = read_and_wait(db(), [](Transaction& tx) {
    tx.query("SELECT 'text'", {}, [](const Row& row) { static_cast<void>(row.integer(0)); });
  });
  EXPECT_FALSE(outcome);
}

TEST_F(DatabaseTest, QueriesOfOneTextNest) {
  const auto sum = read([](Transaction& tx) {
    std::int64_t rows = 0;
    const std::string sql = "WITH t(x) AS (VALUES (1), (2), (3)) SELECT x FROM t";
    tx.query(sql, {}, [&](const Row&) { tx.query(sql, {}, [&](const Row&) { ++rows; }); });
    return rows;
  });
  EXPECT_EQ(sum, 9);
}

TEST_F(DatabaseTest, AfterAStopNothingIsTaken) {
  store->database->stop();
  EXPECT_EQ(write_and_wait(db(), [](Transaction&) -> Result<void> { return {}; }).error().code,
            "store_failed");
  EXPECT_EQ(read_and_wait(db(), [](Transaction&) {}).error().code, "store_failed");
}

class SmallQueueTest : public StoreTest {
 protected:
  void adjust(StoreOptions& options) override {
    options.sqlite.writer.queue.others_max = 4;
    options.sqlite.writer.queue.appends_max = 2;
    options.sqlite.writer.queue.append_bytes_max = 1U << 20;
    options.sqlite.readers.queue_max = 1;
    options.sqlite.readers.threads = 1;
  }
};

TEST_F(SmallQueueTest, FullQueuesAnswerBusyAndKeepEachOtherOut) {
  const Source source = make_source(workspace, "a");
  loop.restart();
  std::vector<std::string> appended;
  const auto append_one = [&](std::size_t size) {
    Event event = make_event(workspace, source.id, fmt::format("k{}", appended.size() + size));
    event.body = std::string(size, 'x');
    log().append(with_deliveries(std::move(event), {}), loop.get_executor(), [&](Result<Appended> outcome) {
      appended.push_back(outcome ? "stored" : outcome.error().code);
    });
  };
  Gate gate(db());
  append_one(1);
  append_one(600'000);
  append_one(2);  // a third
  loop.run();
  EXPECT_EQ(appended, std::vector<std::string>{"store_busy"});
  // The other class has its own room, up to its own bound.
  std::atomic<int> busy{0};
  std::atomic<int> done{0};
  std::promise<void> all;
  for (int i = 0; i < 6; ++i) {
    db().write([](Transaction&) -> Result<void> { return {}; },
               [&](Result<void> outcome) {
                 if (!outcome && outcome.error().code == "store_busy") ++busy;
                 if (++done == 6) all.set_value();
               });
  }
  EXPECT_EQ(busy, 2);
  gate.open();
  all.get_future().wait();
  EXPECT_EQ(busy, 2);
  while (appended.size() < 3) {
    loop.restart();
    loop.run();
  }
  EXPECT_EQ(appended, (std::vector<std::string>{"store_busy", "stored", "stored"}));
}

class FailingDiskTest : public StoreTest {
 protected:
  void adjust(StoreOptions& options) override { options.sqlite.open.vfs = FailingVfs::name(); }
  void TearDown() override {
    FailingVfs::fail_write = FailingVfs::fail_sync = 0;
    store.reset();
  }
  void expect_broken(const std::string& code) {
    const auto refused = append(workspace, source.id, "k2");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
    EXPECT_EQ(fatal, 1);
    EXPECT_FALSE(store->database->ingest_allowed());
    EXPECT_TRUE(store->database->stats().failed);
    // The disk answers again, and still nothing is acknowledged.
    FailingVfs::fail_write = FailingVfs::fail_sync = 0;
    EXPECT_EQ(append(workspace, source.id, "k3").error().code, "store_failed");
    EXPECT_EQ(write_and_wait(db(), [](Transaction& tx) { return put(tx, "x"); }).error().code,
              "store_failed");
    EXPECT_EQ(read_and_wait(db(), [](Transaction&) {}).error().code, "store_failed");
    EXPECT_EQ(fatal, 1);
    reopen();
    EXPECT_TRUE(append(workspace, source.id, "k1")->duplicate);
    EXPECT_EQ(number("SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'"), 0);
  }
  void SetUp() override {
    StoreTest::SetUp();
    source = make_source(workspace, "a");
    ASSERT_TRUE(append(workspace, source.id, "k1"));
  }
  Source source;
};

TEST_F(FailingDiskTest, AFailedSyncEndsEveryPromise) {
  FailingVfs::fail_sync = SQLITE_IOERR_FSYNC;
  expect_broken("store_failed");
}

TEST_F(FailingDiskTest, AFailedWriteEndsEveryPromise) {
  FailingVfs::fail_write = SQLITE_IOERR_WRITE;
  expect_broken("store_failed");
}

TEST_F(FailingDiskTest, AFullDiskEndsEveryPromise) {
  FailingVfs::fail_write = SQLITE_FULL;
  expect_broken("store_failed");
}

TEST_F(FailingDiskTest, EveryCommitIsSynced) {
  const int before = FailingVfs::syncs;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(workspace, source.id, fmt::format("s{}", i)));
  EXPECT_GE(FailingVfs::syncs - before, 5);
}

class LowSpaceTest : public StoreTest {
 protected:
  // More than any disk has: the mark itself is tested with SpaceGate.
  void adjust(StoreOptions& options) override {
    if (low) options.sqlite.writer.low_water.bytes = UINT64_MAX / 2;
  }
  bool low = false;
};

TEST_F(LowSpaceTest, IngestStopsAndTheRestGoesOn) {
  const Source source = make_source(workspace, "a");
  const auto destination = make_destination(workspace, "d").id;
  ASSERT_TRUE(append(workspace, source.id, "k1", {destination}));
  low = true;
  const LeasedDelivery leased = intake.leased.at(0);
  reopen();
  EXPECT_FALSE(store->database->ingest_allowed());
  EXPECT_EQ(append(workspace, source.id, "k2").error().code, "store_busy");
  EXPECT_EQ(complete({completion(leased, DeliveryState::delivered)}), 1U);
  EXPECT_EQ(fatal, 0);
}

TEST(SpaceGate, ClosesBelowTheMarkAndOpensATenthAbove) {
  SpaceGate gate({.bytes = 100, .share_of_disk = 0.05});
  EXPECT_FALSE(gate.update({.free_bytes = 100, .total_bytes = 1000}));
  EXPECT_TRUE(gate.update({.free_bytes = 99, .total_bytes = 1000}));
  EXPECT_FALSE(gate.open());
  EXPECT_FALSE(gate.update({.free_bytes = 109, .total_bytes = 1000}));
  EXPECT_TRUE(gate.update({.free_bytes = 110, .total_bytes = 1000}));
  EXPECT_TRUE(gate.open());
  EXPECT_TRUE(gate.update({.free_bytes = 499, .total_bytes = 10'000}));
  EXPECT_FALSE(gate.open());
}

class Tmpfs {
 public:
  explicit Tmpfs(const std::filesystem::path& at) : at_(at) {
    std::filesystem::create_directories(at_);
    mounted_ = ::mount("tmpfs", at_.c_str(), "tmpfs", 0, "size=16m") == 0;
  }
  ~Tmpfs() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  std::filesystem::path at_;
  bool mounted_ = false;
};

class FullDiskTest : public StoreTest {
 protected:
  void SetUp() override {}
  void adjust(StoreOptions& options) override {
    options.sqlite.writer.low_water = {.bytes = low_water, .share_of_disk = 0};
  }
  std::uint64_t low_water = 0;
};

TEST_F(FullDiskTest, ARealFullDiskLosesNothingThatWasAcknowledged) {
  const Tmpfs disk(dir.path() / "data");
  if (!disk.mounted()) GTEST_SKIP() << "NOT TESTED: a full disk needs the right to mount a tmpfs";
  std::filesystem::permissions(dir.path() / "data", std::filesystem::perms::owner_all);
  open();
  const Source source = make_source(workspace, "a");
  int acknowledged = 0;
  while (true) {
    Event event = make_event(workspace, source.id, fmt::format("k{}", acknowledged));
    event.body = std::string(100'000, 'x');
    const auto outcome = append(with_deliveries(std::move(event), {}));
    if (!outcome) {
      EXPECT_EQ(outcome.error().code, "store_failed");
      break;
    }
    ++acknowledged;
  }
  EXPECT_GT(acknowledged, 10);
  EXPECT_EQ(append(workspace, source.id, "later").error().code, "store_failed");
  store.reset();  // the writer has ended, and so has said all it had to say
  EXPECT_EQ(fatal, 1);
  // Room again: all of it is there.
  ASSERT_EQ(::mount("tmpfs", (dir.path() / "data").c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  open();
  EXPECT_EQ(number("SELECT count(*) FROM event"), acknowledged);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
  store.reset();
}

TEST_F(FullDiskTest, IngestStopsBeforeTheDiskIsFull) {
  const Tmpfs disk(dir.path() / "data");
  if (!disk.mounted()) GTEST_SKIP() << "NOT TESTED: a full disk needs the right to mount a tmpfs";
  std::filesystem::permissions(dir.path() / "data", std::filesystem::perms::owner_all);
  low_water = 8U << 20;
  open();
  const Source source = make_source(workspace, "a");
  const auto destination = make_destination(workspace, "d").id;
  std::string refusal;
  for (int i = 0; refusal.empty() && i < 100'000; ++i) {
    Event event = make_event(workspace, source.id, fmt::format("k{}", i));
    event.body = std::string(1'000, 'x');
    const auto outcome = append(with_deliveries(std::move(event), {destination}));
    if (!outcome) refusal = outcome.error().code;
  }
  EXPECT_EQ(refusal, "store_busy");
  EXPECT_EQ(fatal, 0);
  for (const auto& leased : intake.leased) {
    ASSERT_EQ(complete({completion(leased, DeliveryState::delivered)}), 1U);
    if (leased.lease_token % 100 == 0) break;
  }
  EXPECT_EQ(fatal, 0);
  store.reset();
}

}  // namespace
}  // namespace postern::relay
