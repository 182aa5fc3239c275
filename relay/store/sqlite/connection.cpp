#include "relay/store/sqlite/connection.hpp"

#include <sqlite3.h>

namespace postern::relay::sqlite {
namespace {

std::string describe(sqlite3* db, int code, std::string_view what) {
  return fmt::format("SQLite: {} ({}, code {}): {}", sqlite3_errstr(code), db ? sqlite3_errmsg(db) : "", code,
                     what);
}

/// Memory accounting takes a lock at every allocation of every thread; nothing here asks for its numbers.
void set_up_library() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

}  // namespace

bool is_constraint(int code) {
  return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
         code == SQLITE_CONSTRAINT_FOREIGNKEY || code == SQLITE_CONSTRAINT_ROWID;
}

bool is_fatal(int code) {
  switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      return true;
    default:
      return false;
  }
}

Statement::Statement(sqlite3* db, std::string_view sql) : db_(db) {
  const int code = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement_, nullptr);
  if (code != SQLITE_OK) throw Failure(code, describe(db, code, sql));
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::fail_with(int code) const {
  throw Failure(code, describe(db_, code, sqlite3_sql(statement_)));
}

void Statement::must(int code) const {
  if (code != SQLITE_OK) fail_with(code);
}

void Statement::bind(int index, std::int64_t value) {
  must(sqlite3_bind_int64(statement_, index, value));
}

// A null pointer would bind NULL: an empty view may hold one.
void Statement::bind_text(int index, std::string_view value) {
  must(sqlite3_bind_text64(statement_, index, value.data() ? value.data() : "", value.size(), SQLITE_STATIC,
                           SQLITE_UTF8));
}

void Statement::bind_blob(int index, std::string_view value) {
  must(sqlite3_bind_blob64(statement_, index, value.data() ? value.data() : "", value.size(), SQLITE_STATIC));
}

void Statement::bind_null(int index) {
  must(sqlite3_bind_null(statement_, index));
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail_with(sqlite3_extended_errcode(db_));
  return false;
}

bool Statement::step_unless_constraint() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_DONE || code == SQLITE_ROW) return true;
  const int extended = sqlite3_extended_errcode(db_);
  if (is_constraint(extended)) return false;
  fail_with(extended);
}

void Statement::reset() {
  sqlite3_reset(statement_);
}
bool Statement::busy() const {
  return sqlite3_stmt_busy(statement_) != 0;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_INTEGER) {
    throw StoreFault(fmt::format("column {} is not an integer: {}", column, sqlite3_sql(statement_)));
  }
  return sqlite3_column_int64(statement_, column);
}

const void* Statement::bytes(int column, int wanted, std::size_t& size) const {
  if (sqlite3_column_type(statement_, column) != wanted) {
    throw StoreFault(fmt::format("column {} is of another type: {}", column, sqlite3_sql(statement_)));
  }
  const void* data = wanted == SQLITE_TEXT ? static_cast<const void*>(sqlite3_column_text(statement_, column))
                                           : sqlite3_column_blob(statement_, column);
  size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  if (!data && size > 0) fail_with(SQLITE_NOMEM);
  return data ? data : "";
}

std::string_view Statement::text(int column) const {
  std::size_t size = 0;
  const void* data = bytes(column, SQLITE_TEXT, size);
  return {static_cast<const char*>(data), size};
}

std::string_view Statement::blob(int column) const {
  std::size_t size = 0;
  const void* data = bytes(column, SQLITE_BLOB, size);
  return {static_cast<const char*>(data), size};
}

Connection::Connection(const std::string& file, Mode mode, const OpenOptions& options) {
  set_up_library();
  const int access = mode == Mode::writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(file.c_str(), &db_, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  try {
    if (code != SQLITE_OK) fail_with(code, file);
    configure(mode, options);
  } catch (...) {
    statements_.clear();
    sqlite3_close_v2(db_);
    throw;
  }
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

void Connection::fail_with(int code, std::string_view what) const {
  throw Failure(code, describe(db_, code, what));
}

void Connection::configure(Mode mode, const OpenOptions& options) {
  sqlite3_busy_timeout(db_, options.busy_timeout_ms);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  run("PRAGMA mmap_size = 0");
  run("PRAGMA temp_store = MEMORY");
  run(fmt::format("PRAGMA cache_size = -{}", options.cache_bytes / 1024));
  if (mode == Mode::writer) {
    run("PRAGMA page_size = 4096");
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    run(fmt::format("PRAGMA journal_size_limit = {}", options.journal_size_limit_bytes));
    // Also takes the place of the automatic checkpoint, which would run inside a commit.
    sqlite3_wal_hook(
        db_,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Connection*>(self)->log_pages_ = pages;
          return SQLITE_OK;
        },
        this);
    pragma_is("journal_mode", "wal");
    pragma_is("synchronous", "2");
  } else {
    sqlite3_wal_autocheckpoint(db_, 0);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    run("PRAGMA query_only = ON");
    pragma_is("journal_mode", "wal");
  }
  pragma_is("foreign_keys", "1");
}

/// A pragma that SQLite does not know or may not change is ignored without a word: ask.
void Connection::pragma_is(const std::string& name, const std::string& wanted) {
  Statement statement(db_, "SELECT CAST(" + name + " AS TEXT) FROM pragma_" + name);
  const std::string found = statement.step() ? std::string(statement.text(0)) : "nothing";
  if (found != wanted) {
    throw StoreFault(fmt::format("SQLite: PRAGMA {} is {} and must be {}", name, found, wanted));
  }
}

void Connection::run(std::string_view sql) {
  Statement statement(db_, sql);
  while (statement.step()) {
  }
}

void Connection::script(std::string_view sql) {
  const std::string text(sql);
  char* message = nullptr;
  const int code = sqlite3_exec(db_, text.c_str(), nullptr, nullptr, &message);
  const std::string said = message ? message : "";
  sqlite3_free(message);
  if (code != SQLITE_OK) fail_with(code, said);
}

Statement& Connection::prepared(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return *found->second;
  // Texts are constants and a few combinations of filters; more means that values are being pasted into SQL.
  constexpr std::size_t kMost = 512;
  if (statements_.size() >= kMost)
    std::erase_if(statements_, [](const auto& entry) { return !entry.second->busy(); });
  auto made = std::make_unique<Statement>(db_, sql);
  return *statements_.emplace(std::string(sql), std::move(made)).first->second;
}

Use Connection::use(std::string_view sql) {
  Statement& kept = prepared(sql);
  if (kept.busy()) return Use(std::make_unique<Statement>(db_, sql));
  return Use(kept);
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}
std::int64_t Connection::last_row() const {
  return sqlite3_last_insert_rowid(db_);
}
bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

void Connection::rollback() noexcept {
  if (in_transaction()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Connection::Checkpoint Connection::checkpoint_passive() {
  Checkpoint done;
  const int code =
      sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &done.log_pages, &done.moved_pages);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) fail_with(code, "checkpoint");
  return done;
}

void Connection::checkpoint_truncate() noexcept {
  sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

}  // namespace postern::relay::sqlite
