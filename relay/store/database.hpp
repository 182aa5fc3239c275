#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/id.hpp"
#include "relay/store/store_stats.hpp"

namespace postern::relay {

/// Bytes bound or read as a BLOB; text is std::string.
struct Blob {
  std::string bytes;
};
using Value = std::variant<std::nullptr_t, std::int64_t, std::string, Blob>;

/// One row of an answer. Reading a column as another type than the store holds is a fault (throws).
class Row {
 public:
  virtual ~Row() = default;
  virtual bool is_null(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual std::string_view text(int column) const = 0;  ///< valid until the callback returns
  virtual std::string_view blob(int column) const = 0;  ///< valid until the callback returns
};

/// An open transaction. Exists only inside a job, on a database thread. SQL uses ?1, ?2, … for parameters and
/// is prepared once per text. A statement that fails throws StoreFault; what a caller must handle (a unique
/// name taken) is `execute`'s value.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// Rows changed. Error `conflict` when a UNIQUE or FOREIGN KEY constraint says no; nothing is changed then.
  virtual Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values = {}) = 0;
  virtual void query(std::string_view sql, const std::vector<Value>& values,
                     const std::function<void(const Row&)>& each) = 0;
  /// From here on the transaction sees and changes rows of this workspace only, whatever its statements say:
  /// a second wall behind the workspace in every query. An engine that has no such wall does nothing.
  virtual void confine(WorkspaceId) {}
};

/// The engine broke (I/O, full, corrupt, closed): the job's outcome is unknown to be durable, so it is not.
struct StoreFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct MigrationReport;

/// The engine behind the repositories. All calls are safe from any thread and return at once.
///
/// Writes are serializable: each sees all of an earlier one or nothing. SQLite runs them one after another on
/// one thread, many to a commit (group commit). A job's `done` runs only after its commit is durable. A write
/// job that returns an Error (or meets `conflict`) is undone alone, without harming the others in its group.
/// Reads run on reader threads against a committed state. Both queues are bounded: when full, `done` gets
/// Error `store_busy` at once. After a fault nothing is ever acknowledged again: every job gets
/// `store_failed`, and `on_fatal` is called once.
class Database {
 public:
  using WriteJob = std::function<Result<void>(Transaction&)>;
  using ReadJob = std::function<void(Transaction&)>;
  using Done = std::function<void(Result<void>)>;

  virtual ~Database() = default;
  virtual void write(WriteJob job, Done done) = 0;  ///< `done` runs on the writer thread: post, don't work
  virtual void read(ReadJob job, Done done) = 0;    ///< `done` runs on a reader thread

  /// False while events cannot be taken although the engine works, such as on a disk that is nearly full:
  /// ingest answers 503, all else goes on.
  virtual bool ingest_allowed() const = 0;
  virtual StoreStats stats() const = 0;
  virtual const MigrationReport& migrations() const = 0;  ///< of this start
  /// Runs what is queued and ends the threads. Idempotent.
  virtual void stop() = 0;
};

/// Runs a write or a read and waits for it. For start-up and tests; never on a loop or a database thread.
Result<void> write_and_wait(Database& db, Database::WriteJob job);
Result<void> read_and_wait(Database& db, Database::ReadJob job);

/// Runs `fn(Transaction&) -> Result<T>` as a write and resumes the caller, on its own executor, with the
/// result once it is durable. `fn` is copied; what it captures must own what it needs.
template <class T, class Fn>
boost::asio::awaitable<Result<T>> write(Database& db, Fn fn);
/// The same for a read; `fn(Transaction&) -> T`.
template <class T, class Fn>
boost::asio::awaitable<Result<T>> read(Database& db, Fn fn);

}  // namespace postern::relay

#include "relay/store/database_await.hpp"
