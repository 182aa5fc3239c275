#include "relay/store/open_store.hpp"

#include <sys/stat.h>

#include "base/log.hpp"
#include "relay/store/master_key.hpp"
#include "relay/store/node_name.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/postgres/event_log.hpp"
#include "relay/store/postgres/migrate.hpp"
#include "relay/store/repositories.hpp"
#include "relay/store/transfer/tables.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kDefaultName = "default";

struct Directory {
  NodeLock lock;
  std::filesystem::path file;
};

Result<Directory> take_directory(const std::filesystem::path& data_dir) {
  if (auto made = private_directory(data_dir); !made) return std::unexpected(made.error());
  auto lock = NodeLock::take(data_dir);
  if (!lock) return std::unexpected(lock.error());
  // SQLite gives its files the mode of the umask: nobody else gets in, but a backup may copy modes along.
  ::umask(077);
  return Directory{std::move(*lock), data_dir / "postern.db"};
}

/// An import that was cut off has left half a node.
Result<void> refuse_half_imported(Database& db) {
  auto half = std::make_shared<bool>(false);
  auto outcome = read_and_wait(db, [half](Transaction& tx) {
    tx.query("SELECT name FROM store_setting WHERE name = ?1", {std::string(transfer::kUnfinishedSetting)},
             [&](const Row&) { *half = true; });
  });
  if (!outcome || !*half) return outcome;
  return fail(
      "import_unfinished",
      "An import into this database is under way or was cut off. Run `postern import` to its end first: it "
      "starts over by itself.");
}

/// Whether anything in the database needs the master key it was made with.
Result<bool> has_sealed(Database& db) {
  auto found = std::make_shared<bool>(false);
  auto outcome =
      read_and_wait(db, [found](Transaction& tx) { *found = !WorkspaceRepository(tx).all().empty(); });
  if (!outcome) return std::unexpected(outcome.error());
  return *found;
}

/// Loads every data key and makes the default workspace if it is not there.
Result<Workspace> try_default_workspace(Database& db, Keyring& keyring, const Clock& clock,
                                        IdGenerator& ids) {
  auto found = std::make_shared<std::optional<Workspace>>();
  auto outcome = write_and_wait(
      db,
      [&keyring, found, fresh = Workspace{ids.of<WorkspaceId>(), std::string(kDefaultName), clock.now()}](
          Transaction& tx) -> Result<void> {
        WorkspaceRepository repository(tx);
        const auto named_default = [&] {
          for (auto& workspace : repository.all()) {
            if (workspace.name == kDefaultName) *found = workspace;
          }
        };
        named_default();
        if (!*found) {
          if (auto made = repository.create(fresh, keyring); !made) return made;
          named_default();
        }
        return repository.load_data_keys(keyring);
      });
  if (!outcome) return std::unexpected(outcome.error());
  return **found;
}

/// Another node may be making it at the same moment: then it is there at the second look.
Result<Workspace> default_workspace(Database& db, Keyring& keyring, const Clock& clock, IdGenerator& ids) {
  auto made = try_default_workspace(db, keyring, clock, ids);
  if (!made && made.error().code == "name_taken") made = try_default_workspace(db, keyring, clock, ids);
  return made;
}

Result<std::unique_ptr<Database>> open_engine(StoreOptions& options, const std::filesystem::path& file,
                                              Time now) {
  if (!options.postgres.url.empty()) return PostgresDatabase::open(options.postgres, now);
  return SqliteDatabase::open(file, std::move(options.sqlite), now);
}

Result<void> open_event_log(Store& store, const StoreOptions& options, const Clock& clock, Random& random) {
  if (options.postgres.url.empty()) {
    auto log =
        SqliteEventLog::open(static_cast<SqliteDatabase&>(*store.database), clock, random, options.event_log);
    if (!log) return std::unexpected(log.error());
    store.event_log = std::move(*log);
    return {};
  }
  const auto name = node_name(options.data_dir, random);
  if (!name) return std::unexpected(name.error());
  auto log = PostgresEventLog::open(options.postgres, *name, clock);
  if (!log) return std::unexpected(log.error());
  store.event_log = std::move(*log);
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(StoreOptions options, const Clock& clock, Random& random,
                                          IdGenerator& ids) {
  auto directory = take_directory(options.data_dir);
  if (!directory) return std::unexpected(directory.error());
  auto database = open_engine(options, directory->file, clock.now());
  if (!database) return std::unexpected(database.error());
  if (auto whole = refuse_half_imported(**database); !whole) return std::unexpected(whole.error());
  const auto sealed = has_sealed(**database);
  if (!sealed) return std::unexpected(sealed.error());
  auto key = master_key(options.data_dir / "master.key", *sealed, random);
  if (!key) return std::unexpected(key.error());
  auto store = std::unique_ptr<Store>(new Store{.lock = std::move(directory->lock),
                                                .keyring = Keyring(std::move(*key), random),
                                                .database = std::move(*database),
                                                .event_log = nullptr,
                                                .default_workspace = {},
                                                .created = !*sealed});
  auto workspace = default_workspace(*store->database, store->keyring, clock, ids);
  if (!workspace) return std::unexpected(workspace.error());
  store->default_workspace = std::move(*workspace);
  if (auto done = open_event_log(*store, options, clock, random); !done) return std::unexpected(done.error());
  for (const std::string& name : store->database->migrations().applied) {
    log::info("store.migrated", {{"migration", name}});
  }
  return store;
}

Result<MigrationReport> migrate_store(const StoreOptions& options, Time now) {
  if (!options.postgres.url.empty()) return pg::migrate(options.postgres, now);
  auto directory = take_directory(options.data_dir);
  if (!directory) return std::unexpected(directory.error());
  try {
    sqlite::Connection connection(directory->file.string(), sqlite::Mode::writer, {});
    return migrate(connection, sqlite_migrations(), now);
  } catch (const std::exception& fault) {
    return fail("store_failed", fmt::format("{}: {}", directory->file.string(), fault.what()));
  }
}

}  // namespace postern::relay
