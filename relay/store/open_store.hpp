#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/id.hpp"
#include "base/random.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/keyring.hpp"
#include "relay/store/node_lock.hpp"
#include "relay/store/postgres/options.hpp"
#include "relay/store/sqlite/event_log.hpp"
#include "relay/store/sqlite/migrate.hpp"

namespace postern::relay {

struct StoreOptions {
  std::filesystem::path data_dir;
  PostgresOptions postgres;  ///< used when its url is not empty
  SqliteOptions sqlite;      ///< sqlite.writer.on_fatal: what `serve` does when the engine broke
  EventLogOptions event_log;
};

/// Everything of one open data directory, in the order in which it is taken down: the log and the database
/// finish what is queued, and only then the lock goes.
struct Store {
  NodeLock lock;
  Keyring keyring;
  std::unique_ptr<Database> database;
  std::unique_ptr<EventLog> event_log;
  Workspace default_workspace;  ///< named "default"; made at the first start
  bool created = false;         ///< this was the first start
};

/// What a directory holds: `postern.db` (with -wal and -shm), `master.key` (32 bytes, 0600), `lock`. With
/// PostgreSQL `node.id` in place of the database; every node of a cluster has its own directory with a copy
/// of one `master.key`. Makes the directory (0700) when it is not there. Blocks; nothing is recovered yet:
/// call event_log->recover() once the dispatcher is attached. `clock` and `random` outlive the store.
///
/// Errors, each with a message that says what to do: `already_running`, `data_dir_unusable` (cannot be made,
/// or others may read it), `master_key_unsafe` (wrong owner, mode or size), `wrong_master_key`,
/// `migration_changed`, `migration_newer`, `migration_failed`, `store_failed`, `store_unreachable`,
/// `store_unsafe`, `import_unfinished`.
Result<std::unique_ptr<Store>> open_store(StoreOptions options, const Clock& clock, Random& random,
                                          IdGenerator& ids);

/// Only the schema, for `postern migrate`; same errors. With SQLite refused while a relay runs on the
/// directory; with PostgreSQL safe at any time.
Result<MigrationReport> migrate_store(const StoreOptions& options, Time now);

}  // namespace postern::relay
