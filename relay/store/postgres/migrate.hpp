#pragma once
#include "relay/store/postgres/options.hpp"
#include "relay/store/sqlite/migrate.hpp"

namespace postern::relay {

/// migrations/postgres, compiled in.
std::span<const Migration> postgres_migrations();

namespace pg {

/// Brings the schema up to date. Safe from several nodes at once (an advisory lock lets one through, the
/// others find it done), under load (a change that cannot get its lock in two seconds lets the others pass
/// and tries again, for two minutes) and when killed (each migration is one transaction with its record).
/// Also makes the role that keeps workspaces apart, where it may. Errors: `store_unreachable`,
/// `store_unsafe`, and those of relay::migrate().
Result<MigrationReport> migrate(const PostgresOptions& options, Time now);
Result<MigrationReport> migrate(Connection& connection, std::span<const Migration> migrations, Time now);

}  // namespace pg
}  // namespace postern::relay
