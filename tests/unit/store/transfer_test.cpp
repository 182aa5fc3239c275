// A node with SQLite, exported and imported: everything is there, on the other engine.
#include <fstream>

#include "base/file.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/transfer/export.hpp"
#include "relay/store/transfer/import.hpp"
#include "relay/store/transfer/writer.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using transfer::Kind;

/// Every column that engines keep alike; rows and references to them are numbered anew.
std::string comparable(const transfer::Table& table) {
  std::string names;
  for (const auto& column : table.columns) {
    if (!column.from.empty() || column.name == "row" || column.name == "event_row") continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", column.name);
  }
  return names;
}

class TransferTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    fill();
  }

  std::filesystem::path data() const { return dir.path() / "data"; }
  std::filesystem::path file() const { return dir.path() / "moved.postern"; }

  /// At least one row in every table, every state of a delivery, and every byte where bytes may be.
  void fill() {
    std::string every;
    for (int i = 0; i < 256; ++i) every.push_back(static_cast<char>(i));
    const auto other = make_workspace("other");
    source = make_source(workspace, "stripe").id;
    destination = make_destination(workspace, "app").id;
    make_source(other.id, "stripe");
    ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
      RouteRepository(tx)
          .create({ids.of<RouteId>(), workspace, source, destination, true, clock.now()})
          .value();
      AgentRepository agents(tx, store->keyring);
      agent.id = ids.of<AgentId>();
      agent.workspace_id = workspace;
      agent.name = "cellar";
      agent.stored_key = every.substr(0, 32);
      agent.server_key = "the other half of a proof: 32 b.s";
      agent.created_at = clock.now();
      agents.create(agent).value();
      agents.create_enrollment({ids.of<JoinId>(), agent.id, workspace, "verifier", "server", clock.now(), ""})
          .value();
      ApiKeyRepository(tx)
          .create({ids.of<KeyId>(), workspace, "admin", sha256("key"), false, clock.now()})
          .value();
      AuditRepository(tx).add({ids.of<AuditId>(), workspace, "relay", "x", "y", "{}", clock.now()});
      IdempotencyRepository(tx).keep(workspace, "again", {sha256("r"), 201, every}, clock.now());
      return {};
    }));
    for (int i = 0; i < 5; ++i) append_one(every, i);
    clock.advance(std::chrono::hours(30));
    for (int i = 5; i < 10; ++i) append_one(every, i);
    ASSERT_TRUE(append(workspace, source, "key3")->duplicate);
    ASSERT_TRUE(append(workspace, source, "key3")->duplicate);
    finish_some();
  }
  void append_one(const std::string& every, int number) {
    Event event = make_event(workspace, source, number == 0 ? "" : fmt::format("key{}", number));
    event.body = every + std::to_string(number);
    event.target = "/in/x?" + every;
    event.type = number == 1 ? std::string("odd\0\xff", 5) : "invoice.paid";
    clock.advance(std::chrono::milliseconds(5));
    intake.answer = {number == 4 ? DeliveryState::parked : DeliveryState::leased,
                     number == 4 ? "agent_away" : ""};
    ASSERT_TRUE(append(with_deliveries(std::move(event), {destination})));
  }
  /// One delivered, one dead, one to be tried again; the others stay leased.
  void finish_some() {
    ASSERT_GE(intake.leased.size(), 4U);
    const DeliveryState next[] = {DeliveryState::delivered, DeliveryState::dead, DeliveryState::pending};
    for (std::size_t i = 0; i < 3; ++i) {
      finished.push_back(intake.leased[i].delivery.id);
      ASSERT_EQ(complete({completion(intake.leased[i], next[i])}), 1U);
    }
  }

  Result<transfer::ExportReport> export_now(bool live = false) {
    transfer::ExportOptions options{
        .data_dir = data(), .file = file(), .program = "9.9", .live = live, .settings = {}};
    options.settings.push_back({.name = "open", .value = "certificate", .seal = false});
    options.settings.push_back({.name = "tight", .value = "very private key", .seal = true});
    return transfer::export_sqlite(options, clock, random, {});
  }
  Result<transfer::ImportReport> import_now() {
    if (!server_database) server_database.emplace();
    transfer::ImportOptions options{.file = file(), .data_dir = data(), .postgres = {}};
    options.postgres.url = server_database->url();
    return transfer::import_postgres(options, clock, random, {});
  }
  std::string import_error() {
    const auto done = import_now();
    return done ? "" : done.error().code;
  }
  /// With a copy of the master key and nothing else.
  std::filesystem::path new_directory() const {
    const auto fresh = dir.path() / "fresh";
    std::filesystem::create_directory(fresh);
    std::filesystem::permissions(fresh, std::filesystem::perms::owner_all);
    std::filesystem::copy_file(data() / "master.key", fresh / "master.key");
    return fresh;
  }
  Result<transfer::ImportReport> restore_to(const std::filesystem::path& fresh) {
    const transfer::ImportOptions options{.file = file(), .data_dir = fresh, .postgres = {}};
    return transfer::import_sqlite(options, clock, random, {});
  }
  std::unique_ptr<Store> open_moved() {
    StoreOptions options;
    options.data_dir = data();
    options.postgres.url = server_database->url();
    options.postgres.label = "moved";
    auto opened = open_store(options, clock, random, ids);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  std::string db_setting(const std::string& name) {
    return read([&](Transaction& tx) {
      std::string found;
      tx.query("SELECT value FROM store_setting WHERE name = ?1", {name},
               [&](const Row& row) { found = std::string(row.blob(0)); });
      return found;
    });
  }

  static std::vector<std::string> dump(Database& db, const transfer::Table& table) {
    std::vector<std::string> found;
    auto done = read_and_wait(db, [&](Transaction& tx) {
      tx.query(fmt::format("SELECT {} FROM {}", comparable(table), table.name), {}, [&](const Row& row) {
        std::string line;
        int at = 0;
        for (const auto& column : table.columns) {
          if (!column.from.empty() || column.name == "row" || column.name == "event_row") continue;
          line += fmt::format("{}=", column.name);
          if (row.is_null(at))
            line += "null";
          else if (column.kind == Kind::integer)
            line += std::to_string(row.integer(at));
          else
            line += column.kind == Kind::text ? pg::valid_text(row.text(at)) : std::string(row.blob(at));
          line += '|';
          ++at;
        }
        found.push_back(std::move(line));
      });
    });
    EXPECT_TRUE(done);
    std::ranges::sort(found);
    return found;
  }

  SourceId source;
  DestinationId destination;
  Agent agent;
  std::vector<DeliveryId> finished;
};

TEST_F(TransferTest, EveryTableIsTheSameOnTheOtherSide) {
  ASSERT_EQ(log().recover(), 6U);  // what was leased is pending, as the import makes it
  std::vector<std::vector<std::string>> wanted;
  for (const auto& table : transfer::tables()) wanted.push_back(dump(db(), table));
  store.reset();
  const auto exported = export_now();
  ASSERT_TRUE(exported) << exported.error().message;
  const auto imported = import_now();
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->rows, exported->rows);
  EXPECT_EQ(imported->header.program, "9.9");
  const auto moved = open_moved();
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->default_workspace.id, workspace);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& table = transfer::tables()[i];
    if (table.name == "store_setting") continue;
    EXPECT_FALSE(wanted[i].empty()) << table.name;
    EXPECT_EQ(dump(*moved->database, table), wanted[i]) << table.name;
  }
}

TEST_F(TransferTest, HistoryDuplicatesAndAttemptsStayTogether) {
  store.reset();
  ASSERT_TRUE(export_now());
  ASSERT_TRUE(import_now());
  store = open_moved();
  store->event_log->attach(intake);
  const Delivery dead = delivery(finished[1]);
  EXPECT_EQ(dead.state, DeliveryState::dead);
  const auto attempts =
      read([&](Transaction& tx) { return DeliveryRepository(tx).attempts(workspace, dead.id); });
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].response_body, std::string("\0ok", 3));
  EXPECT_EQ(attempts[0].number, 1U);
  const auto stored =
      read([&](Transaction& tx) { return EventRepository(tx).get(workspace, dead.event_id); });
  ASSERT_TRUE(stored);
  EXPECT_NE(stored->event.body.find('\0'), std::string::npos);
  EXPECT_EQ(number("SELECT CAST(sum(hits) AS BIGINT) FROM event_duplicate"), 2);
  const auto agents =
      read([&](Transaction& tx) { return AgentRepository(tx, store->keyring).get(workspace, agent.id); });
  EXPECT_EQ(agents->server_key, agent.server_key);
  // Keys in force are known; one that was never used is not.
  const auto again = append(workspace, source, "key3");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(number("SELECT CAST(sum(hits) AS BIGINT) FROM event_duplicate"), 3);
  EXPECT_FALSE(append(workspace, source, "fresh", {destination})->duplicate);
}

TEST_F(TransferTest, WhatWasLeasedIsDueAndWhatWaitsKeepsItsTime) {
  const Delivery waits = delivery(finished[2]);
  store.reset();
  ASSERT_TRUE(export_now());
  ASSERT_TRUE(import_now());
  store = open_moved();
  EXPECT_EQ(delivery(finished[2]).next_at, waits.next_at);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 0 AND reason = 'relay_restarted'"), 6);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE state = 2 AND reason = 'agent_away'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM delivery WHERE row % 2 = 0"), 0);
  EXPECT_EQ(claim_due().size(), 6U);
  clock.advance(std::chrono::seconds(6));
  EXPECT_EQ(claim_due().size(), 1U);
  EXPECT_EQ(claim_waiting(destination).size(), 1U);
}

TEST_F(TransferTest, ManyRowsAreManyTransactionsAndAllOfThemArrive) {
  ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
    AuditRepository audit(tx);
    for (int i = 0; i < 9'000; ++i)
      audit.add({ids.of<AuditId>(), workspace, "relay", std::to_string(i), "", "{}", clock.now()});
    return {};
  }));
  store.reset();
  ASSERT_TRUE(export_now());
  const auto done = import_now();
  ASSERT_TRUE(done) << done.error().message;
  store = open_moved();
  EXPECT_EQ(number("SELECT count(DISTINCT action) FROM audit"), 9'001);
}

TEST_F(TransferTest, NewRowsNeverMeetOldOnes) {
  store.reset();
  ASSERT_TRUE(export_now());
  ASSERT_TRUE(import_now());
  store = open_moved();
  store->event_log->attach(intake);
  intake.answer = {DeliveryState::pending, ""};
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(workspace, source, fmt::format("new{}", i), {destination}));
  EXPECT_EQ(number("SELECT count(*) FROM event"), 60);
  EXPECT_EQ(number("SELECT count(*) FROM delivery d JOIN event e ON e.row = d.event_row"), 60);
}

TEST_F(TransferTest, ARunningRelayIsExportedOnlyWhenAsked) {
  const auto refused = export_now();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "relay_running");
  EXPECT_NE(refused.error().message.find("--live"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file()));
  const auto live = export_now(true);
  ASSERT_TRUE(live) << live.error().message;
  EXPECT_EQ(live->rows[transfer::table_named("event")], 10U);
  EXPECT_TRUE(append(workspace, source, "goes on"));
}

TEST_F(TransferTest, NothingSecretIsInTheFile) {
  const auto key = db_setting("dedupe_key");
  store.reset();
  ASSERT_TRUE(export_now());
  const std::string text = read_file(file()).value();
  const std::string master = read_file(data() / "master.key").value();
  for (const std::string& secret : {std::string("whsec_first"), std::string("whsec_signing"),
                                    std::string("very private"), agent.server_key.substr(0, 20), master, key})
    EXPECT_EQ(text.find(secret), text.npos) << secret;
  EXPECT_NE(text.find("certificate"), text.npos);
  ASSERT_TRUE(import_now());
  store = open_moved();
  EXPECT_EQ(store->keyring.open(workspace, db_setting("tight"), "tight").value(), "very private key");
  EXPECT_EQ(db_setting("open"), "certificate");
}

TEST_F(TransferTest, OnlyAnEmptyDatabaseIsFilled) {
  store.reset();
  ASSERT_TRUE(export_now());
  ASSERT_TRUE(import_now());
  const auto again = import_now();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "database_not_empty");
  EXPECT_NE(again.error().message.find("event 10"), std::string::npos) << again.error().message;
  EXPECT_NE(again.error().message.find("workspace 2"), std::string::npos);
}

TEST_F(TransferTest, ADatabaseInServiceIsLeftAlone) {
  store.reset();
  ASSERT_TRUE(export_now());
  server_database.emplace();
  const auto running = open_moved();
  EXPECT_EQ(import_error(), "relay_running");
}

TEST_F(TransferTest, AnImportThatWasCutOffIsNotServedAndStartsOver) {
  store.reset();
  ASSERT_TRUE(export_now());
  ASSERT_TRUE(import_now());
  auto connection = server_database->connect();
  connection.script(
      "INSERT INTO store_setting VALUES ('import_unfinished', ''); DELETE FROM attempt; "
      "UPDATE event SET body = ''");
  StoreOptions options;
  options.data_dir = data();
  options.postgres.url = server_database->url();
  const auto refused = open_store(options, clock, random, ids);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "import_unfinished");
  const auto again = import_now();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(open_moved());
  EXPECT_EQ(connection.run("SELECT count(*) FROM event WHERE length(body) > 200").integer(0, 0), 10);
}

TEST_F(TransferTest, AWrongOrMissingMasterKeyIsFoundBeforeAnythingIsWritten) {
  store.reset();
  ASSERT_TRUE(export_now());
  const auto key = data() / "master.key";
  std::filesystem::rename(key, dir.path() / "kept");
  EXPECT_EQ(import_error(), "master_key_missing");
  std::ofstream(key) << std::string(32, 'k');
  ::chmod(key.c_str(), 0600);
  EXPECT_EQ(import_error(), "wrong_master_key");
  EXPECT_EQ(
      server_database->connect().run("SELECT count(*) FROM pg_class WHERE relname = 'event'").integer(0, 0),
      0);
  EXPECT_EQ(export_now().error().code, "transfer_unwritable");  // it is there already
  std::filesystem::remove(file());
  EXPECT_EQ(export_now().error().code, "wrong_master_key");
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_FALSE(std::filesystem::exists(file().string() + ".part"));
}

TEST_F(TransferTest, ADamagedFileWritesNothing) {
  store.reset();
  ASSERT_TRUE(export_now());
  std::string text = read_file(file()).value();
  text[text.size() - 200] = static_cast<char>(text[text.size() - 200] ^ 1);
  std::ofstream(file(), std::ios::binary) << text;
  EXPECT_EQ(import_error(), "transfer_damaged");
  EXPECT_EQ(
      server_database->connect().run("SELECT count(*) FROM pg_class WHERE relname = 'event'").integer(0, 0),
      0);
}

TEST_F(TransferTest, TheRemainsOfAKillAreExportedToo) {
  // The log as a kill leaves it: copied from beside a relay that has not closed its database.
  const auto killed = dir.path() / "killed";
  std::filesystem::create_directory(killed);
  std::filesystem::permissions(killed, std::filesystem::perms::owner_all);
  for (const auto* name : {"postern.db", "postern.db-wal", "master.key"})
    std::filesystem::copy_file(data() / name, killed / name);
  const transfer::ExportOptions options{
      .data_dir = killed, .file = file(), .program = "", .live = false, .settings = {}};
  const auto report = transfer::export_sqlite(options, clock, random, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->rows[transfer::table_named("event")], 10U);
}

TEST_F(TransferTest, ABackupBecomesANodeWithSqliteAgain) {
  std::vector<std::vector<std::string>> wanted;
  for (const auto& table : transfer::tables()) wanted.push_back(dump(db(), table));
  const std::string key = db_setting("dedupe_key");
  store.reset();
  ASSERT_TRUE(export_now());
  const auto fresh = new_directory();
  ASSERT_TRUE(restore_to(fresh));
  EXPECT_EQ(restore_to(fresh).error().code, "database_not_empty");
  EXPECT_FALSE(std::filesystem::exists(fresh / "postern.db.import"));
  StoreOptions options;
  options.data_dir = fresh;
  options.sqlite.writer.low_water = {.bytes = 0, .share_of_disk = 0};
  store = std::move(*open_store(options, clock, random, ids));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& table = transfer::tables()[i];
    if (table.name == "store_setting") continue;
    EXPECT_EQ(dump(db(), table), wanted[i]) << table.name;
  }
  EXPECT_NE(db_setting("dedupe_key"), key);
  EXPECT_EQ(db_setting("open"), "certificate");
  EXPECT_TRUE(append(workspace, source, "key3")->duplicate);
  EXPECT_EQ(number("SELECT sum(hits) FROM event_duplicate"), 3);
  EXPECT_FALSE(append(workspace, source, "fresh", {destination})->duplicate);
  EXPECT_EQ(number("SELECT count(*) FROM delivery d JOIN event e ON e.row = d.event_row"), 11);
}

TEST_F(TransferTest, ARestoreThatWasCutOffStartsOver) {
  store.reset();
  ASSERT_TRUE(export_now());
  const auto fresh = new_directory();
  {
    const auto lock = NodeLock::take(fresh).value();
    EXPECT_EQ(restore_to(fresh).error().code, "already_running");
  }
  for (const auto* name : {"postern.db.import", "postern.db.import-wal", "postern.db.import-shm"})
    std::ofstream(fresh / name) << "what a kill has left";
  const auto done = restore_to(fresh);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(std::filesystem::exists(fresh / "postern.db"));
  EXPECT_FALSE(std::filesystem::exists(fresh / "postern.db.import-wal"));
}

TEST_F(TransferTest, AnotherSchemaIsNeitherExportedNorImported) {
  store.reset();
  {
    sqlite::Connection connection((data() / "postern.db").string(), sqlite::Mode::writer, {});
    connection.script("CREATE TABLE kept AS SELECT * FROM schema_migration; DELETE FROM schema_migration");
    EXPECT_EQ(export_now().error().code, "migration_missing");
    connection.script(
        "INSERT INTO schema_migration SELECT * FROM kept; "
        "INSERT INTO schema_migration VALUES (9999, '9999_later', 'x', 1)");
    EXPECT_EQ(export_now().error().code, "migration_newer");
  }
  auto writer = transfer::Writer::create(file()).value();
  writer->header({.schema = 9999,
                  .engine = "sqlite",
                  .program = "",
                  .made_at = clock.now(),
                  .rows = transfer::Counts(transfer::tables().size())});
  writer->finish();
  EXPECT_EQ(import_error(), "schema_differs");
}

TEST_F(TransferTest, WhatTheServerRefusesStopsTheImportWhereItStands) {
  store.reset();
  ASSERT_TRUE(export_now());
  server_database.emplace();
  ASSERT_EQ(import_error(), "");
  auto connection = server_database->connect();
  connection.script(
      "INSERT INTO store_setting VALUES ('import_unfinished', ''); "
      "ALTER TABLE delivery ADD CHECK (state <> 3) NOT VALID");
  const auto refused = import_now();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "import_failed");
  EXPECT_NE(refused.error().message.find("delivery"), std::string::npos) << refused.error().message;
  connection.script("ALTER TABLE delivery DROP CONSTRAINT delivery_state_check");
  EXPECT_EQ(import_error(), "");
}

TEST_F(TransferTest, WhatSomebodyElseWritesMeanwhileIsFound) {
  store.reset();
  ASSERT_TRUE(export_now());
  server_database.emplace();
  ASSERT_EQ(import_error(), "");
  auto connection = server_database->connect();
  // Stands for a server, or a disk, that does not keep what it is given.
  connection.script(
      "INSERT INTO store_setting VALUES ('import_unfinished', '');"
      "CREATE FUNCTION bend() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN NEW.body := overlay(NEW.body placing 'x'::bytea from 3); RETURN NEW; END $$;"
      "CREATE TRIGGER bent BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION bend()");
  const auto bent = import_now();
  ASSERT_FALSE(bent);
  EXPECT_NE(bent.error().message.find("byte for byte"), std::string::npos) << bent.error().message;
  connection.script(
      "DROP TRIGGER bent ON event; CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN RETURN NULL; END $$;"
      "CREATE TRIGGER lost BEFORE INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION drop_it()");
  const auto lost = import_now();
  ASSERT_FALSE(lost);
  EXPECT_NE(lost.error().message.find("0 rows of attempt and the file 3"), std::string::npos)
      << lost.error().message;
}

TEST_F(TransferTest, WhereNoNodeIsNothingIsExported) {
  const transfer::ExportOptions options{
      .data_dir = dir.path(), .file = file(), .program = "", .live = false, .settings = {}};
  EXPECT_EQ(transfer::export_sqlite(options, clock, random, {}).error().code, "nothing_to_export");
}

/// What a file holds, held against what the schema of each engine has: a column that is added later and not
/// described in tables.cpp would be lost in a move.
class TransferTablesTest : public ConformanceTest {
 protected:
  std::set<std::string> in_schema() {
    const std::string sql = engine() == Engine::sqlite
                                ? "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) "
                                  "c WHERE m.type = 'table' AND "
                                  "m.name NOT LIKE 'sqlite_%'"
                                : "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute "
                                  "a ON a.attrelid = c.oid JOIN "
                                  "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND "
                                  "c.relkind IN ('r', 'p') AND NOT "
                                  "c.relispartition AND a.attnum > 0 AND NOT a.attisdropped";
    return read([&](Transaction& tx) {
      std::set<std::string> found;
      tx.query(sql, {},
               [&](const Row& row) { found.insert(fmt::format("{}.{}", row.text(0), row.text(1))); });
      return found;
    });
  }
  /// Made anew by each engine or for each database.
  static bool is_own(std::string_view column) {
    for (const std::string_view table :
         {"schema_migration.", "node.", "agent_session.", "catalog_state.", "dedupe.", "event_duplicate.",
          "retention_", "replay.", "replay_delivery.", "replay_open."}) {
      if (column.starts_with(table)) return true;
    }
    return column == "delivery.lease_node" || column == "delivery.born";
  }
};
ENGINES(TransferTablesTest);

TEST_P(TransferTablesTest, DescribeEveryColumnOfTheSchema) {
  std::set<std::string> described;
  for (const auto& table : transfer::tables()) {
    for (const auto& column : table.columns) {
      if (column.from.empty()) described.insert(fmt::format("{}.{}", table.name, column.name));
    }
  }
  std::set<std::string> wanted = in_schema();
  std::erase_if(wanted, [](const std::string& column) { return is_own(column); });
  std::vector<std::string> missing, surplus;
  std::ranges::set_difference(wanted, described, std::back_inserter(missing));
  std::ranges::set_difference(described, wanted, std::back_inserter(surplus));
  EXPECT_EQ(missing, std::vector<std::string>()) << "would be lost in a move";
  EXPECT_EQ(surplus, std::vector<std::string>());
}

}  // namespace
}  // namespace postern::relay
