#include "relay/store/transfer/export.hpp"

#include <algorithm>
#include <numeric>
#include <system_error>

#include "relay/store/keyring.hpp"
#include "relay/store/master_key.hpp"
#include "relay/store/node_lock.hpp"
#include "relay/store/sqlite/connection.hpp"
#include "relay/store/sqlite/migrate.hpp"
#include "relay/store/transfer/writer.hpp"

namespace postern::relay::transfer {
namespace {

constexpr std::uint64_t kTellEvery = 2'000;  // rows

Result<std::optional<NodeLock>> take_lock(const ExportOptions& options) {
  auto lock = NodeLock::take(options.data_dir);
  if (lock) return std::optional<NodeLock>(std::move(*lock));
  if (lock.error().code != "already_running") return std::unexpected(lock.error());
  if (options.live) return std::nullopt;
  return fail(
      "relay_running",
      fmt::format("{} To move the node the relay has to be stopped first: what it stores after the export "
                  "would be missing. --live exports what is there now, as a backup.",
                  lock.error().message));
}

/// The schema is this program's, neither older nor newer.
Result<unsigned> schema_of(sqlite::Connection& connection) {
  std::vector<AppliedMigration> applied;
  sqlite::Use statement(
      connection.prepared("SELECT number, name, checksum FROM schema_migration ORDER BY number"));
  while (statement->step()) {
    applied.push_back({static_cast<unsigned>(statement->integer(0)), std::string(statement->text(1)),
                       std::string(statement->text(2))});
  }
  if (auto fits = check_history(applied, sqlite_migrations()); !fits) return std::unexpected(fits.error());
  if (applied.size() < sqlite_migrations().size())
    return fail("migration_missing",
                "The database is of an earlier version of Postern: run `postern migrate` first.");
  return sqlite_migrations().back().number;
}

std::string select_of(const Table& table) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ", ";
    columns += column.from.empty() ? fmt::format("t.{}", column.name) : std::string(column.from);
  }
  return fmt::format("SELECT {} FROM {} {}", columns, table.from, table.rest);
}

Field field_at(const sqlite::Statement& row, int at, const Column& column) {
  if (column.nullable && row.is_null(at)) return {.null = true, .integer = 0, .bytes = {}};
  switch (column.kind) {
    case Kind::integer:
      return {.null = false, .integer = row.integer(at), .bytes = {}};
    case Kind::text:
      return {.null = false, .integer = 0, .bytes = row.text(at)};
    case Kind::bytes:
    case Kind::id:
      break;
  }
  return {.null = false, .integer = 0, .bytes = row.blob(at)};
}

/// One export, in one read transaction.
class Exporter {
 public:
  Exporter(const ExportOptions& options, sqlite::Connection& connection, Writer& writer, Time now,
           const OnProgress& progress)
      : options_(options), connection_(connection), writer_(writer), now_(now), progress_(progress) {}

  Result<void> run(Random& random) {
    connection_.run("BEGIN");
    const auto schema = schema_of(connection_);
    if (!schema) return std::unexpected(schema.error());
    if (auto loaded = load_keys(random); !loaded) return loaded;
    write_header(*schema);
    for (std::size_t i = 0; i < tables().size(); ++i) {
      write_table(i);
      if (tables()[i].name == "store_setting") write_settings();
    }
    connection_.run("COMMIT");
    writer_.finish();
    return {};
  }

 private:
  /// Also the check that the master key fits what is exported.
  Result<void> load_keys(Random& random) {
    auto key = master_key(options_.data_dir / "master.key", true, random);
    if (!key) return std::unexpected(key.error());
    keyring_.emplace(std::move(*key), random);
    sqlite::Use rows(connection_.prepared("SELECT id, name, data_key_sealed FROM workspace ORDER BY id"));
    while (rows->step()) {
      const auto id = WorkspaceId::from_bytes(rows->blob(0));
      if (!id) throw StoreFault("a workspace has no id");
      if (auto loaded = keyring_->load(*id, rows->blob(2)); !loaded) return loaded;
      if (rows->text(1) == "default") default_workspace_ = *id;
    }
    return {};
  }

  void write_header(unsigned schema) {
    Header header{
        .schema = schema, .engine = "sqlite", .program = options_.program, .made_at = now_, .rows = {}};
    for (const Table& table : tables()) {
      sqlite::Use count(connection_.prepared(fmt::format("SELECT count(*) FROM {}", table.name)));
      header.rows.push_back(count->step() ? static_cast<std::uint64_t>(count->integer(0)) : 0);
    }
    rows_total_ = std::accumulate(header.rows.begin(), header.rows.end(), std::uint64_t{0});
    writer_.header(header);
  }

  void write_table(std::size_t place) {
    const Table& table = tables()[place];
    const std::string sql = select_of(table);
    sqlite::Use rows(connection_.prepared(sql));
    if (sql.find("?1") != sql.npos) rows->bind(1, to_micros(now_));
    std::vector<Field> fields(table.columns.size());
    while (rows->step()) {
      for (std::size_t i = 0; i < fields.size(); ++i)
        fields[i] = field_at(*rows, static_cast<int>(i), table.columns[i]);
      if (!is_replaced(table, fields)) writer_.row(place, fields);
      if (++rows_done_ % kTellEvery == 0) tell(table.name);
    }
    tell(table.name);
  }

  /// Of the settings that come from files the files count.
  bool is_replaced(const Table& table, std::span<const Field> row) const {
    return table.name == "store_setting" &&
           std::ranges::any_of(options_.settings,
                               [&](const ExtraSetting& setting) { return setting.name == row[0].bytes; });
  }

  void write_settings() {
    if (!default_workspace_) return;
    for (const ExtraSetting& setting : options_.settings) {
      const std::string value =
          setting.seal ? keyring_->seal(*default_workspace_, setting.value, setting.name) : setting.value;
      const Field fields[] = {{.null = false, .integer = 0, .bytes = setting.name},
                              {.null = false, .integer = 0, .bytes = value}};
      writer_.row(table_named("store_setting"), fields);
    }
  }

  void tell(std::string_view table) const {
    if (progress_) progress_({table, rows_done_, rows_total_, writer_.bytes()});
  }

  const ExportOptions& options_;
  sqlite::Connection& connection_;
  Writer& writer_;
  const Time now_;
  const OnProgress& progress_;
  std::optional<Keyring> keyring_;
  std::optional<WorkspaceId> default_workspace_;
  std::uint64_t rows_done_ = 0, rows_total_ = 0;
};

}  // namespace

Result<ExportReport> export_sqlite(const ExportOptions& options, const Clock& clock, Random& random,
                                   const OnProgress& progress) {
  const auto database = options.data_dir / "postern.db";
  std::error_code ignored;
  if (!std::filesystem::exists(database, ignored))
    return fail(
        "nothing_to_export",
        fmt::format("{} is not there: --data-dir names the directory of a relay.", database.string()));
  const auto lock = take_lock(options);
  if (!lock) return std::unexpected(lock.error());
  auto writer = Writer::create(options.file);
  if (!writer) return std::unexpected(writer.error());
  try {
    // Beside a running relay nothing may be written, not even a checkpoint; alone, a log left behind by a
    // kill has to be taken up.
    sqlite::Connection connection(database.string(), *lock ? sqlite::Mode::writer : sqlite::Mode::reader, {});
    auto done = Exporter(options, connection, **writer, clock.now(), progress).run(random);
    if (!done) return std::unexpected(done.error());
    return ExportReport{(*writer)->rows(), (*writer)->bytes()};
  } catch (const std::system_error& refused) {
    return fail("transfer_unwritable", fmt::format("{}.", refused.what()));
  } catch (const StoreFault& fault) {
    return fail("store_failed", fmt::format("{}: {}", database.string(), fault.what()));
  }
}

}  // namespace postern::relay::transfer
