#include <sys/stat.h>

#include <fstream>

#include "relay/store/sqlite/migrate.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

class OpenStoreTest : public StoreTest {
 protected:
  std::string refusal() {
    StoreOptions options;
    options.data_dir = dir.path() / "data";
    auto opened = open_store(options, clock, random, ids);
    return opened ? "opened" : opened.error().code;
  }
  mode_t mode(const std::string& name) {
    struct stat info{};
    EXPECT_EQ(::stat((dir.path() / "data" / name).c_str(), &info), 0) << name;
    return info.st_mode & 0777;
  }
};

TEST_F(OpenStoreTest, OnlyTheOwnerGetsAtTheFiles) {
  EXPECT_TRUE(store->created);
  EXPECT_EQ(store->default_workspace.name, "default");
  EXPECT_EQ(mode(""), 0700U);
  for (const auto* name : {"master.key", "postern.db", "postern.db-wal", "lock"})
    EXPECT_EQ(mode(name), 0600U) << name;
  const auto id = workspace;
  reopen();
  EXPECT_FALSE(store->created);
  EXPECT_EQ(workspace, id);
}

TEST_F(OpenStoreTest, ASecondOneIsRefusedByName) {
  StoreOptions options;
  options.data_dir = dir.path() / "data";
  auto second = open_store(options, clock, random, ids);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "already_running");
  EXPECT_NE(second.error().message.find(fmt::format("process {}", ::getpid())), std::string::npos);
  EXPECT_EQ(migrate_store(options, clock.now()).error().code, "already_running");
}

TEST_F(OpenStoreTest, UnsafeKeyFilesAndDirectoriesAreRefused) {
  const auto key = dir.path() / "data" / "master.key";
  store.reset();
  ::chmod(key.c_str(), 0640);
  EXPECT_EQ(refusal(), "master_key_unsafe");
  ::chmod(key.c_str(), 0600);
  ::chmod((dir.path() / "data").c_str(), 0755);
  EXPECT_EQ(refusal(), "data_dir_unusable");
  ::chmod((dir.path() / "data").c_str(), 0700);
  std::filesystem::rename(key, dir.path() / "kept");
  EXPECT_EQ(refusal(), "master_key_missing");
  EXPECT_FALSE(std::filesystem::exists(key));
  std::ofstream(key) << std::string(31, 'k');
  ::chmod(key.c_str(), 0600);
  EXPECT_EQ(refusal(), "master_key_unsafe");
  std::ofstream(key) << std::string(32, 'k');
  EXPECT_EQ(refusal(), "wrong_master_key");
  std::filesystem::rename(dir.path() / "kept", key);
  EXPECT_EQ(refusal(), "opened");
}

TEST_F(OpenStoreTest, AMigratedDirectoryCanBeServed) {
  const auto fresh = dir.path() / "fresh";
  StoreOptions options;
  options.data_dir = fresh;
  const auto report = migrate_store(options, clock.now());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->before, 0U);
  EXPECT_EQ(report->after, sqlite_migrations().size());
  EXPECT_TRUE(migrate_store(options, clock.now())->applied.empty());
  EXPECT_TRUE(open_store(options, clock, random, ids));
}

TEST_F(OpenStoreTest, AFileThatIsNoDatabaseIsRefused) {
  store.reset();
  std::ofstream(dir.path() / "data" / "postern.db") << std::string(8192, 'x');
  EXPECT_EQ(refusal(), "store_failed");
}

class MigrateTest : public ::testing::Test {
 protected:
  std::string apply(std::vector<Migration> migrations) {
    auto done = migrate(connection, migrations, clock.now());
    return done ? fmt::format("{} to {}", done->before, done->after) : done.error().code;
  }
  TempDir dir;
  ManualClock clock;
  sqlite::Connection connection{(dir.path() / "m.db").string(), sqlite::Mode::writer, {}};
};

TEST_F(MigrateTest, AppliesWhatIsMissingAndRefusesWhatDoesNotFit) {
  const Migration one{1, "0001_a", "CREATE TABLE a (x); CREATE TABLE b (x);"};
  const Migration two{2, "0002_b", "ALTER TABLE a ADD COLUMN y;"};
  EXPECT_EQ(apply({one}), "0 to 1");
  EXPECT_EQ(apply({one, two}), "1 to 2");
  EXPECT_EQ(apply({one, two}), "2 to 2");
  EXPECT_EQ(apply({one}), "migration_newer");
  EXPECT_EQ(apply({{1, "0001_a", "CREATE TABLE a (x, z);"}, two}), "migration_changed");
}

TEST_F(MigrateTest, AFailedOneLeavesNothing) {
  const Migration one{1, "0001_a", "CREATE TABLE a (x);"};
  EXPECT_EQ(apply({one, {2, "0002_b", "CREATE TABLE half (x); INSERT INTO no_such_table VALUES (1);"}}),
            "migration_failed");
  EXPECT_EQ(apply({one}), "1 to 1");
  EXPECT_EQ(apply({one, {2, "0002_b", "CREATE TABLE half (x);"}}), "1 to 2");
}

TEST_F(MigrateTest, TheOnesCompiledInAreNumberedWithoutGaps) {
  unsigned expected = 1;
  for (const Migration& migration : sqlite_migrations()) {
    EXPECT_EQ(migration.number, expected++);
    EXPECT_TRUE(migration.name.starts_with(fmt::format("{:04}_", migration.number)));
  }
  EXPECT_GT(expected, 1U);
}

TEST(Keyring, OpensOnlyWhatItSealedInThatPlace) {
  SystemRandom random;
  ManualClock clock;
  IdGenerator ids(clock, random);
  const auto one = ids.of<WorkspaceId>();
  const auto two = ids.of<WorkspaceId>();
  Keyring keyring(random.bytes(32), random);
  const std::string sealed_key = keyring.new_data_key(one);
  ASSERT_TRUE(keyring.load(one, sealed_key));
  ASSERT_TRUE(keyring.load(two, keyring.new_data_key(two)));
  const std::string sealed = keyring.seal(one, "secret", "here");
  EXPECT_EQ(*keyring.open(one, sealed, "here"), "secret");
  EXPECT_EQ(keyring.open(one, sealed, "there").error().code, "sealed_value_damaged");
  EXPECT_FALSE(keyring.open(two, sealed, "here"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(keyring.open(one, changed, "here")) << i;
  }
  EXPECT_FALSE(keyring.open(one, "", "here"));
  EXPECT_NE(keyring.seal(one, "secret", "here"), sealed);
  Keyring stranger(random.bytes(32), random);
  EXPECT_EQ(stranger.load(one, sealed_key).error().code, "wrong_master_key");
  EXPECT_EQ(keyring.load(ids.of<WorkspaceId>(), sealed_key).error().code, "wrong_master_key");
  EXPECT_THROW(keyring.seal(ids.of<WorkspaceId>(), "x", "y"), std::logic_error);
}

}  // namespace
}  // namespace postern::relay
