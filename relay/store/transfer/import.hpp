#pragma once
#include <filesystem>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/store/postgres/options.hpp"
#include "relay/store/transfer/format.hpp"
#include "relay/store/transfer/progress.hpp"

namespace postern::relay::transfer {

struct ImportOptions {
  std::filesystem::path file;
  /// Where the copy of master.key lies that the file was sealed with.
  std::filesystem::path data_dir;
  PostgresOptions postgres;  ///< for import_postgres()
};

struct ImportReport {
  Header header;
  Counts rows;
};

/// Puts a file of export_sqlite() into a new PostgreSQL database, which it brings to this program's schema
/// first. Before a row is written all of the file has been read and found whole, and the master key opens
/// what is in it; at the end the rows of each table and a digest over all events are compared with the file.
/// Cut off anywhere, it leaves a database that no relay serves, and that the next import starts over. Blocks.
///
/// Errors: those of Reader, `schema_differs`, those of master_key(), `wrong_master_key`, `store_unreachable`,
/// `store_unsafe`, those of migrate(), `database_not_empty`, `relay_running`, `import_running`,
/// `import_failed`.
Result<ImportReport> import_postgres(const ImportOptions& options, const Clock& clock, Random& random,
                                     const OnProgress& progress);

/// The same into the directory itself, which has a master.key and no database yet: a backup becomes a node
/// with SQLite again. The database is there when all of it is, and not before. Errors also:
/// `already_running`, `data_dir_unusable`.
Result<ImportReport> import_sqlite(const ImportOptions& options, const Clock& clock, Random& random,
                                   const OnProgress& progress);

}  // namespace postern::relay::transfer
