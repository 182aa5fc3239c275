#include "relay/store/transfer/import.hpp"

#include <numeric>

#include "relay/store/keyring.hpp"
#include "relay/store/master_key.hpp"
#include "relay/store/node_lock.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/postgres/migrate.hpp"
#include "relay/store/transfer/postgres_target.hpp"
#include "relay/store/transfer/reader.hpp"
#include "relay/store/transfer/sqlite_target.hpp"

namespace postern::relay::transfer {
namespace {

constexpr Duration kLockTime = std::chrono::seconds(60);
constexpr std::size_t kConnections = 2;

/// What is known of a file once it has been read to its end.
struct Inspected {
  Header header;
  Counts rows;
  EventDigest digest;
  std::vector<std::pair<WorkspaceId, std::string>> data_keys;  ///< sealed
};

/// Reads all of a file.
class Pass {
 public:
  Pass(const std::filesystem::path& file, const OnProgress& progress) : file_(file), progress_(progress) {}

  /// `each` gets every block of rows. Returns the header and the counts.
  Result<Inspected> run(std::string_view doing, const std::function<void(const RowBlock&)>& each) {
    auto source = FileSource::open(file_);
    if (!source) return std::unexpected(source.error());
    Reader reader(*source);
    auto header = reader.header();
    if (!header) return std::unexpected(header.error());
    const std::uint64_t total = std::accumulate(header->rows.begin(), header->rows.end(), std::uint64_t{0});
    RowBlock rows;
    while (true) {
      const auto more = reader.next(rows);
      if (!more) return std::unexpected(more.error());
      if (!*more) return Inspected{std::move(*header), reader.rows(), {}, {}};
      each(rows);
      const auto& counts = reader.rows();
      if (progress_)
        progress_({doing.empty() ? tables()[rows.table].name : doing,
                   std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), total, reader.bytes()});
    }
  }

 private:
  const std::filesystem::path& file_;
  const OnProgress& progress_;
};

void digest_events(const RowBlock& rows, EventDigest& digest) {
  static const Table& kEvent = tables()[table_named("event")];
  static const std::size_t kId = column_named(kEvent, "id"), kBody = column_named(kEvent, "body"),
                           kHeaders = column_named(kEvent, "headers"),
                           kTarget = column_named(kEvent, "target");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto row = rows.row(i);
    digest.add(row[kId].bytes, row[kBody].bytes, row[kHeaders].bytes, row[kTarget].bytes);
  }
}

Result<Inspected> inspect(const ImportOptions& options, const OnProgress& progress) {
  static const std::size_t kEvents = table_named("event"), kWorkspaces = table_named("workspace");
  static const std::size_t kSealed = column_named(tables()[kWorkspaces], "data_key_sealed");
  EventDigest digest;
  std::vector<std::pair<WorkspaceId, std::string>> data_keys;
  auto found = Pass(options.file, progress).run("checking the file", [&](const RowBlock& rows) {
    if (rows.table == kEvents) digest_events(rows, digest);
    for (std::size_t i = 0; rows.table == kWorkspaces && i < rows.rows(); ++i)
      data_keys.emplace_back(*WorkspaceId::from_bytes(rows.row(i)[0].bytes), rows.row(i)[kSealed].bytes);
  });
  if (!found) return found;
  found->digest = digest;
  found->data_keys = std::move(data_keys);
  return found;
}

Result<void> check_schema(const Header& header, unsigned known) {
  if (header.schema == known) return {};
  return fail(
      "schema_differs",
      fmt::format("The file holds schema {} and this program makes schema {}: export and import with one "
                  "version of Postern. A newer one brings the database up to date afterwards.",
                  header.schema, known));
}

/// One data key that opens shows that the relays to come can open everything.
Result<void> check_master_key(const ImportOptions& options, const Inspected& file, Random& random) {
  const auto path = options.data_dir / "master.key";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return fail(
        "master_key_missing",
        fmt::format("{} is not there. What is secret in the file is sealed with the master.key of the node "
                    "it came from, which is not in the file: copy it there (mode 0600).",
                    path.string()));
  }
  auto key = master_key(path, true, random);
  if (!key) return std::unexpected(key.error());
  Keyring keyring(std::move(*key), random);
  for (const auto& [workspace, sealed] : file.data_keys) {
    if (keyring.load(workspace, sealed)) continue;
    return fail(
        "wrong_master_key",
        fmt::format("{} is not the key that the file was sealed with: copy the master.key of the node that "
                    "was exported. Nothing was written.",
                    path.string()));
  }
  return {};
}

Result<void> compare(Target& target, const Inspected& file, const OnProgress& progress) {
  const std::uint64_t total = std::accumulate(file.rows.begin(), file.rows.end(), std::uint64_t{0});
  if (progress) progress({"comparing", total, total, 0});
  const Counts found = target.count();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == file.rows[i]) continue;
    return fail("import_failed",
                fmt::format("The database has {} rows of {} and the file {}. Was something else "
                            "at work on it? Import again into a database of its own.",
                            found[i], tables()[i].name, file.rows[i]));
  }
  if (target.digest() == file.digest) return {};
  return fail("import_failed",
              "The events in the database are not those of the file, byte for byte. Import again; "
              "when it happens twice, the server or its disk does not keep what it is given.");
}

Result<void> fill(Target& target, const ImportOptions& options, const Inspected& file,
                  const OnProgress& progress) {
  target.start();
  const auto read = Pass(options.file, progress).run("", [&](const RowBlock& rows) {
    for (std::size_t i = 0; i < rows.rows(); ++i) target.add(rows.table, rows.row(i));
    // The bytes are the block's, and the next one takes its place; arrays have copied them.
  });
  if (!read) return std::unexpected(read.error());
  target.flush();
  if (auto same = compare(target, file, progress); !same) return same;
  target.finish();
  return {};
}

Result<void> fill_postgres(const ImportOptions& options, const Inspected& file, Time now,
                           const OnProgress& progress) {
  static const std::atomic<bool> never{false};
  try {
    pg::Options calm = options.postgres.connection("import");
    calm.statement_time = calm.silence_time = Duration::zero();
    calm.lock_time = kLockTime;
    std::vector<std::unique_ptr<pg::Connection>> connections;
    connections.reserve(kConnections);
    for (std::size_t i = 0; i < kConnections; ++i)
      connections.push_back(std::make_unique<pg::Connection>(calm, never));
    PostgresTarget target(connections, now);
    if (auto empty = target.check_empty(); !empty) return empty;
    return fill(target, options, file, progress);
  } catch (const StoreFault& fault) {
    return fail(
        "import_failed",
        fmt::format("The import stopped: {}. The database is not served as it is; import again, which starts "
                    "over.",
                    fault.what()));
  }
}

/// One that cannot be kept apart from what is there.
Result<NodeLock> take_new_directory(const std::filesystem::path& directory) {
  if (auto made = private_directory(directory); !made) return std::unexpected(made.error());
  auto lock = NodeLock::take(directory);
  if (!lock) return lock;
  const auto database = directory / "postern.db";
  std::error_code ignored;
  if (!std::filesystem::exists(database, ignored)) return lock;
  return fail(
      "database_not_empty",
      fmt::format("{} is there already. An import only goes into a directory that has no database, so that "
                  "nothing is mixed or overwritten: name another one, with a copy of master.key.",
                  database.string()));
}

Result<void> fill_sqlite(const ImportOptions& options, const Inspected& file, Time now, Random& random,
                         const OnProgress& progress) {
  try {
    SqliteTarget target(options.data_dir, now, random);
    return fill(target, options, file, progress);
  } catch (const std::runtime_error& fault) {  // of the store, or of the system
    return fail("import_failed",
                fmt::format("The import stopped: {}. There is no database in {} yet; import again, "
                            "which starts over.",
                            fault.what(), options.data_dir.string()));
  }
}

}  // namespace

Result<ImportReport> import_postgres(const ImportOptions& options, const Clock& clock, Random& random,
                                     const OnProgress& progress) {
  auto file = inspect(options, progress);
  if (!file) return std::unexpected(file.error());
  const unsigned schema = postgres_migrations().back().number;
  if (auto same = check_schema(file->header, schema); !same) return std::unexpected(same.error());
  if (auto fits = check_master_key(options, *file, random); !fits) return std::unexpected(fits.error());
  const auto migrated = pg::migrate(options.postgres, clock.now());
  if (!migrated) return std::unexpected(migrated.error());
  if (auto done = fill_postgres(options, *file, clock.now(), progress); !done)
    return std::unexpected(done.error());
  return ImportReport{std::move(file->header), std::move(file->rows)};
}

Result<ImportReport> import_sqlite(const ImportOptions& options, const Clock& clock, Random& random,
                                   const OnProgress& progress) {
  const auto lock = take_new_directory(options.data_dir);
  if (!lock) return std::unexpected(lock.error());
  auto file = inspect(options, progress);
  if (!file) return std::unexpected(file.error());
  const unsigned schema = sqlite_migrations().back().number;
  if (auto same = check_schema(file->header, schema); !same) return std::unexpected(same.error());
  if (auto fits = check_master_key(options, *file, random); !fits) return std::unexpected(fits.error());
  if (auto done = fill_sqlite(options, *file, clock.now(), random, progress); !done)
    return std::unexpected(done.error());
  return ImportReport{std::move(file->header), std::move(file->rows)};
}

}  // namespace postern::relay::transfer
