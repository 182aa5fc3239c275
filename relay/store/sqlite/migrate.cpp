#include "relay/store/sqlite/migrate.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "relay/store/sqlite/connection.hpp"

namespace postern::relay {
namespace {

std::vector<AppliedMigration> applied_in(sqlite::Connection& connection) {
  connection.run(
      "CREATE TABLE IF NOT EXISTS schema_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
      "checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT");
  std::vector<AppliedMigration> found;
  sqlite::Use statement(
      connection.prepared("SELECT number, name, checksum FROM schema_migration ORDER BY number"));
  while (statement->step()) {
    found.push_back({static_cast<unsigned>(statement->integer(0)), std::string(statement->text(1)),
                     std::string(statement->text(2))});
  }
  return found;
}

void apply(sqlite::Connection& connection, const Migration& migration, Time now) {
  connection.run("BEGIN IMMEDIATE");
  try {
    connection.script(migration.sql);
    sqlite::Use record(connection.prepared("INSERT INTO schema_migration VALUES (?1, ?2, ?3, ?4)"));
    record->bind(1, std::int64_t{migration.number});
    record->bind_text(2, migration.name);
    const std::string checksum = checksum_of(migration);
    record->bind_text(3, checksum);
    record->bind(4, to_micros(now));
    record->step();
    record.done();
    connection.run("COMMIT");
  } catch (...) {
    connection.rollback();
    throw;
  }
}

}  // namespace

std::string checksum_of(const Migration& migration) {
  return hex_encode(sha256(migration.sql));
}

Result<void> check_history(const std::vector<AppliedMigration>& applied, std::span<const Migration> known) {
  for (std::size_t i = 0; i < applied.size(); ++i) {
    if (i >= known.size()) {
      return fail(
          "migration_newer",
          fmt::format("The database has migration {}, which this program does not know: it was written by a "
                      "newer version. Use that one, or restore a backup made before the upgrade.",
                      applied[i].name));
    }
    if (applied[i].number != known[i].number || applied[i].checksum != checksum_of(known[i])) {
      return fail(
          "migration_changed",
          fmt::format("Migration {} was applied to this database in another form than this program has. "
                      "Migrations are never edited; use the program this database was made with.",
                      applied[i].name));
    }
  }
  return {};
}

Result<MigrationReport> migrate(sqlite::Connection& connection, std::span<const Migration> migrations,
                                Time now) {
  try {
    const auto applied = applied_in(connection);
    if (auto fits = check_history(applied, migrations); !fits) return std::unexpected(fits.error());
    MigrationReport report{.before = static_cast<unsigned>(applied.size()), .after = 0, .applied = {}};
    for (const Migration& migration : migrations.subspan(applied.size())) {
      apply(connection, migration, now);
      report.applied.emplace_back(migration.name);
    }
    report.after = static_cast<unsigned>(migrations.size());
    return report;
  } catch (const StoreFault& fault) {
    return fail("migration_failed", fault.what());
  }
}

}  // namespace postern::relay
