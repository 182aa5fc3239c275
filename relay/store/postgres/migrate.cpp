#include "relay/store/postgres/migrate.hpp"

#include "base/log.hpp"
#include "relay/store/postgres/advisory_lock.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/postgres/tenant_role.hpp"

namespace postern::relay::pg {
namespace {

constexpr int kLockTries = 60;

AdvisoryLock lock_migrations(Connection& connection) {
  connection.script("SET lock_timeout = 0");
  return {connection, kMigrationsLock, "store.migration_lock_kept"};
}

std::vector<AppliedMigration> applied_in(Connection& connection) {
  connection.run(
      "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY, name text NOT NULL, "
      "checksum text NOT NULL, applied_at bigint NOT NULL)");
  const Rows rows = connection.run("SELECT number, name, checksum FROM schema_migration ORDER BY number");
  std::vector<AppliedMigration> found;
  found.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found.push_back({static_cast<unsigned>(rows.integer(i, 0)), std::string(rows.bytes(i, 1)),
                     std::string(rows.bytes(i, 2))});
  }
  return found;
}

void apply_once(Connection& connection, const Migration& migration, Time now) {
  connection.script("BEGIN; SET LOCAL lock_timeout = '2s'");
  connection.script(migration.sql);
  const Params record = std::move(Params()
                                      .add(std::int64_t{migration.number})
                                      .add_text(migration.name)
                                      .add_text(checksum_of(migration))
                                      .add(to_micros(now)));
  connection.run("INSERT INTO schema_migration VALUES ($1, $2, $3, $4)", record);
  connection.run("COMMIT");
}

void apply(Connection& connection, const Migration& migration, Time now) {
  for (int attempt = 1;; ++attempt) {
    try {
      return apply_once(connection, migration, now);
    } catch (const Failure& failure) {
      connection.rollback();
      if (!failure.collision() || attempt == kLockTries) throw;
      log::info("store.migration_waits", {{"migration", migration.name}, {"error", failure.what()}});
    }
  }
}

}  // namespace

Result<MigrationReport> migrate(Connection& connection, std::span<const Migration> migrations, Time now) {
  try {
    const AdvisoryLock lock = lock_migrations(connection);
    const auto applied = applied_in(connection);
    if (auto fits = check_history(applied, migrations); !fits) return std::unexpected(fits.error());
    MigrationReport report{.before = static_cast<unsigned>(applied.size()), .after = 0, .applied = {}};
    for (const Migration& migration : migrations.subspan(applied.size())) {
      apply(connection, migration, now);
      report.applied.emplace_back(migration.name);
    }
    report.after = static_cast<unsigned>(migrations.size());
    return report;
  } catch (const Failure& failure) {
    return fail("migration_failed", failure.what());
  }
}

Result<MigrationReport> migrate(const PostgresOptions& options, Time now) {
  static const std::atomic<bool> never{false};
  try {
    Options calm = options.connection("migrate");
    calm.statement_time = calm.silence_time = Duration::zero();
    Connection connection(calm, never);
    if (auto safe = assert_durable(connection); !safe) return std::unexpected(safe.error());
    auto report = migrate(connection, postgres_migrations(), now);
    const AdvisoryLock lock = lock_migrations(connection);
    if (report) ensure_tenant_role(connection, !report->applied.empty());
    return report;
  } catch (const Failure& failure) {
    return std::unexpected(unreachable(failure));
  }
}

}  // namespace postern::relay::pg
