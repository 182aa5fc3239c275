#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

/// Numbered, append-only changes of the schema. A file that was released is never edited: its checksum is in
/// every database that it was applied to.
namespace postern::relay {

namespace sqlite {
class Connection;
}

struct Migration {
  unsigned number;        ///< 1, 2, 3, … without gaps
  std::string_view name;  ///< file name without extension
  std::string_view sql;
};

/// migrations/sqlite, compiled in.
std::span<const Migration> sqlite_migrations();

struct MigrationReport {
  unsigned before = 0;  ///< last number applied earlier; 0 for a new database
  unsigned after = 0;
  std::vector<std::string> applied;  ///< names of those applied now
};

struct AppliedMigration {
  unsigned number;
  std::string name;
  std::string checksum;
};
std::string checksum_of(const Migration& migration);
/// Errors `migration_newer` and `migration_changed`, as migrate() says.
Result<void> check_history(const std::vector<AppliedMigration>& applied, std::span<const Migration> known);

/// Applies what is missing, each in a transaction of its own together with its record.
/// Errors: `migration_changed` (an applied one has another checksum than this program's), `migration_newer`
/// (the database was written by a newer program), `migration_failed`. Nothing is changed by the one that
/// failed.
Result<MigrationReport> migrate(sqlite::Connection& connection, std::span<const Migration> migrations,
                                Time now);

}  // namespace postern::relay
