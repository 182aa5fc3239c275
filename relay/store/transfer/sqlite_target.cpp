#include "relay/store/transfer/sqlite_target.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "relay/store/dedupe_key.hpp"
#include "relay/store/sqlite/migrate.hpp"

namespace postern::relay::transfer {
namespace {

constexpr std::size_t kRowsWanted = 20'000;  // of one commit, each of which waits for the disk

std::string insert_into(const Table& table) {
  std::string names, places;
  int number = 0;
  for (const Column& column : table.columns) {
    if (!column.from.empty()) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", column.name);
    places += fmt::format("{}?{}", places.empty() ? "" : ", ", ++number);
  }
  return fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name, names, places);
}

void bind(sqlite::Statement& statement, int index, Kind kind, const Field& field) {
  if (field.null) return statement.bind_null(index);
  if (kind == Kind::integer) return statement.bind(index, field.integer);
  if (kind == Kind::text) return statement.bind_text(index, field.bytes);
  statement.bind_blob(index, field.bytes);
}

void remove_with_log(const std::filesystem::path& file) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

void sync_directory(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) throw StoreFault(fmt::format("{}: {}", path.string(), std::strerror(why)));
}

}  // namespace

SqliteTarget::SqliteTarget(std::filesystem::path directory, Time now, Random& random)
    : directory_(std::move(directory)), file_(directory_ / "postern.db.import"), now_(now), random_(random) {
  for (const Table& table : tables()) inserts_.push_back(insert_into(table));
}

void SqliteTarget::start() {
  remove_with_log(file_);
  connection_ =
      std::make_unique<sqlite::Connection>(file_.string(), sqlite::Mode::writer, sqlite::OpenOptions{});
  const auto migrated = migrate(*connection_, sqlite_migrations(), now_);
  if (!migrated) throw StoreFault(migrated.error().message);
  const std::string key = random_.bytes(sizeof key_);
  std::memcpy(key_.data(), key.data(), sizeof key_);
  const sqlite::Use setting(connection_->prepared("INSERT INTO store_setting (name, value) VALUES (?1, ?2)"));
  setting->bind_text(1, kFingerprintSetting);
  setting->bind_blob(2, key);
  setting->step();
}

void SqliteTarget::add(std::size_t table, std::span<const Field> row) {
  static const std::size_t kEvent = table_named("event");
  if (pending_ == 0) connection_->use("BEGIN")->step();
  insert(table, row);
  if (table == kEvent) add_to_event(row);
  if (++pending_ >= kRowsWanted) flush();
}

void SqliteTarget::insert(std::size_t table, std::span<const Field> row) {
  const sqlite::Use statement(connection_->prepared(inserts_[table]));
  int place = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Column& column = tables()[table].columns[i];
    if (column.from.empty()) bind(*statement, ++place, column.kind, row[i]);
  }
  statement->step();
}

void SqliteTarget::add_to_event(std::span<const Field> row) {
  static const Table& kTable = tables()[table_named("event")];
  static const auto at = [](std::string_view name) { return column_named(kTable, name); };
  static const std::size_t kRow = at("row"), kWorkspace = at("workspace_id"), kSource = at("source_id"),
                           kKey = at("dedupe_key"), kUntil = at("dedupe_until"), kHits = at("duplicate_hits"),
                           kLast = at("duplicate_last_at");
  check_number(row[kRow].integer);
  if (!row[kHits].null) {
    const sqlite::Use repeats(
        connection_->prepared("INSERT INTO event_duplicate (event_row, hits, last_at) VALUES (?1, ?2, ?3)"));
    repeats->bind(1, row[kRow].integer);
    repeats->bind(2, row[kHits].integer);
    repeats->bind(3, row[kLast].integer);
    repeats->step();
  }
  if (row[kUntil].null || row[kKey].bytes.empty()) return;
  const std::uint64_t fingerprint =
      siphash(key_, dedupe_text(row[kWorkspace].bytes, row[kSource].bytes, row[kKey].bytes));
  const sqlite::Use keys(
      connection_->prepared("INSERT INTO dedupe (event_row, fingerprint, expires_at) VALUES (?1, ?2, ?3)"));
  keys->bind(1, row[kRow].integer);
  keys->bind(2, static_cast<std::int64_t>(fingerprint));
  keys->bind(3, row[kUntil].integer);
  keys->step();
}

void SqliteTarget::flush() {
  if (pending_ == 0) return;
  connection_->use("COMMIT")->step();
  pending_ = 0;
  connection_->checkpoint_passive();
}

Counts SqliteTarget::count() {
  Counts counts;
  for (const Table& table : tables()) {
    const bool settings = table.name == "store_setting";
    const sqlite::Use rows(connection_->prepared(fmt::format("SELECT count(*) FROM {}", table.name)));
    rows->step();
    // The fingerprints' key is this database's own.
    counts.push_back(static_cast<std::uint64_t>(rows->integer(0)) - (settings ? 1 : 0));
  }
  return counts;
}

EventDigest SqliteTarget::digest() {
  EventDigest digest;
  const sqlite::Use rows(connection_->prepared("SELECT id, body, headers, target FROM event ORDER BY row"));
  while (rows->step()) digest.add(rows->blob(0), rows->blob(1), rows->blob(2), rows->blob(3));
  return digest;
}

/// Closing the only connection moves the log into the database and removes it.
void SqliteTarget::finish() {
  connection_->checkpoint_truncate();
  connection_.reset();
  const auto log = file_.string() + "-wal";
  if (std::filesystem::exists(log)) throw StoreFault(log + " could not be moved into the database");
  std::filesystem::rename(file_, directory_ / "postern.db");
  sync_directory(directory_);
}

}  // namespace postern::relay::transfer
