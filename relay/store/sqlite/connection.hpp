#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "relay/store/database.hpp"

struct sqlite3;
struct sqlite3_stmt;

/// A thin layer over SQLite's C interface, for this room only. One thread at a time for each connection.
namespace postern::relay::sqlite {

/// What SQLite said, with its extended result code.
struct Failure : StoreFault {
  Failure(int code, const std::string& what) : StoreFault(what), code(code) {}
  int code;
};

bool is_constraint(int code);  ///< UNIQUE, PRIMARY KEY or FOREIGN KEY said no
/// The engine itself is broken or full: whatever was being written may be half there.
bool is_fatal(int code);

/// A prepared statement. Bound text and blobs are borrowed: they must stay until the statement is reset.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  void bind(int index, std::int64_t value);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);
  void bind_null(int index);

  /// True while there is a row. Throws Failure.
  bool step();
  /// Like step(), but a constraint is an answer: false.
  bool step_unless_constraint();
  void reset();
  bool busy() const;  ///< stepped and not yet reset

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;
  std::string_view blob(int column) const;

 private:
  [[noreturn]] void fail_with(int code) const;
  void must(int code) const;
  const void* bytes(int column, int wanted, std::size_t& size) const;

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

/// Holds a statement for one use and resets it at the end, so that no borrowed byte or open cursor stays
/// behind.
class Use {
 public:
  explicit Use(Statement& statement) : statement_(&statement) {}
  explicit Use(std::unique_ptr<Statement> own) : own_(std::move(own)), statement_(own_.get()) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { done(); }
  Statement* operator->() const { return statement_; }
  Statement& operator*() const { return *statement_; }
  void done() { statement_->reset(); }

 private:
  std::unique_ptr<Statement> own_;
  Statement* statement_;
};

enum class Mode { writer, reader };

struct OpenOptions {
  std::uint64_t cache_bytes = 64ULL << 20;
  std::uint64_t journal_size_limit_bytes = 64ULL << 20;
  int busy_timeout_ms = 5000;
  std::string vfs;  ///< empty: the default one; tests put a failing one here
};

class Connection {
 public:
  /// Opens (a writer creates) the database, sets every pragma the relay relies on and reads back those that
  /// durability hangs on. Throws Failure, or StoreFault when a pragma did not take.
  Connection(const std::string& file, Mode mode, const OpenOptions& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  void run(std::string_view sql);     ///< one statement, not kept
  void script(std::string_view sql);  ///< several statements
  /// Prepared once per text and kept.
  Statement& prepared(std::string_view sql);
  /// The kept statement, or a second one when that is in use further up the stack.
  Use use(std::string_view sql);

  std::int64_t changes() const;
  std::int64_t last_row() const;
  bool in_transaction() const;
  void rollback() noexcept;  ///< harmless without a transaction

  /// Frames the log and the database had in common after a checkpoint, and those in the log.
  struct Checkpoint {
    int log_pages = 0;
    int moved_pages = 0;
  };
  Checkpoint checkpoint_passive();
  void checkpoint_truncate() noexcept;
  /// Pages in the write-ahead log after the last commit.
  int log_pages() const { return log_pages_; }
  void forget_log_pages() { log_pages_ = 0; }

  sqlite3* handle() { return db_; }

 private:
  void configure(Mode mode, const OpenOptions& options);
  void pragma_is(const std::string& name, const std::string& wanted);
  [[noreturn]] void fail_with(int code, std::string_view what) const;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  sqlite3* db_ = nullptr;
  int log_pages_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Statement>, TextHash, std::equal_to<>> statements_;
};

/// A Transaction over a connection in which one has begun.
class SqliteTransaction final : public Transaction {
 public:
  explicit SqliteTransaction(Connection& connection) : connection_(connection) {}
  Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values) override;
  void query(std::string_view sql, const std::vector<Value>& values,
             const std::function<void(const Row&)>& each) override;

 private:
  Connection& connection_;
};

}  // namespace postern::relay::sqlite
