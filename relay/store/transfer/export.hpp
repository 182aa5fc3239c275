#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/store/transfer/format.hpp"
#include "relay/store/transfer/progress.hpp"

namespace postern::relay::transfer {

/// A setting of a cluster that a single node keeps as a file: it goes into store_setting.
struct ExtraSetting {
  std::string name;
  std::string value;
  bool seal = false;  ///< for the default workspace, with the name as its place
};

struct ExportOptions {
  std::filesystem::path data_dir;
  std::filesystem::path file;
  std::string program;  ///< version, for the header
  /// While a relay runs on the directory: one consistent state of it, and nothing of what comes after.
  bool live = false;
  std::vector<ExtraSetting> settings;
};

struct ExportReport {
  Counts rows;
  std::uint64_t bytes = 0;
};

/// Writes all of the SQLite node in `data_dir` into one file; the directory is only read. What is sealed
/// stays sealed, with the master key that is not in the file. Blocks.
///
/// Errors: `relay_running` (and not `live`), `nothing_to_export` (no node there), `migration_missing` (the
/// schema is not this program's), those of master_key(), `wrong_master_key`, `transfer_unwritable`,
/// `store_failed`.
Result<ExportReport> export_sqlite(const ExportOptions& options, const Clock& clock, Random& random,
                                   const OnProgress& progress);

}  // namespace postern::relay::transfer
