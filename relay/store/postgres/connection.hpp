#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "relay/store/database.hpp"
#include "relay/store/postgres/params.hpp"

struct pg_conn;
struct pg_result;

/// A thin layer over libpq, for this room only. One thread at a time for each connection.
///
/// libpq and not libpqxx: Debian 12 and 13 have libpqxx 6.4 and 7.10, with two interfaces, and the older one
/// sends every byte of a body as two characters of text and cannot pipeline statements that take parameters.
namespace postern::relay::pg {

/// What the server or the connection to it said.
struct Failure : StoreFault {
  Failure(std::string state, const std::string& what) : StoreFault(what), sqlstate(std::move(state)) {}
  std::string sqlstate;  ///< five characters; empty when it was not the server that spoke

  /// The connection is gone or no answer came in time: whether a commit that was under way took effect is not
  /// known.
  /// A server that has become read-only is one to leave as well.
  bool lost() const {
    return sqlstate.empty() || sqlstate.starts_with("08") || sqlstate.starts_with("57P") ||
           sqlstate == "25006";
  }
  /// It says something of the server's state and nothing of what was sent: out of room, out of connections,
  /// time.
  bool server_trouble() const {
    return sqlstate.starts_with("53") || sqlstate.starts_with("57") || sqlstate.starts_with("58");
  }
  /// A unique or foreign key said no.
  bool constraint() const { return sqlstate == "23505" || sqlstate == "23503"; }
  /// Somebody else was faster; the same transaction may well succeed when it is run again.
  bool collision() const { return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03"; }
  bool partition_missing() const { return sqlstate == "23514"; }
};

struct Options {
  std::string url;          ///< postgres://… or libpq's key=value form; may hold a password: never logged
  std::string application;  ///< what pg_stat_activity shows, such as "postern append"
  Duration connect_time = std::chrono::seconds(5);
  Duration statement_time = std::chrono::seconds(5);  ///< the server ends a statement after it; 0: never
  Duration lock_time = std::chrono::seconds(2);
  Duration idle_time = std::chrono::seconds(10);  ///< and a transaction in which nothing is asked for so long
  /// How statements of the hot path are planned: each row looked up by an index, whatever the planner thinks
  /// of tables it has not looked at yet, and once for all parameters.
  enum class Plan { free, by_index } plan = Plan::free;
  /// From sending to the answer, for a server that says nothing at all (frozen, unplugged).
  Duration silence_time = std::chrono::seconds(10);
};

/// An answer, all of it in memory, in the binary format.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);
  std::size_t size() const;
  std::int64_t changed() const;  ///< rows that an INSERT, UPDATE or DELETE touched

  bool is_null(std::size_t row, int column) const;
  std::int64_t integer(std::size_t row, int column) const;  ///< of any integer type or boolean; else throws
  std::string_view bytes(std::size_t row, int column) const;
  pg_result* raw() const { return result_.get(); }

 private:
  struct Free {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Free> result_;
};

/// One row of an answer as the repositories and relay::rows read it.
class ResultRow final : public Row {
 public:
  ResultRow(const Rows& rows, std::size_t row) : rows_(rows), row_(row) {}
  bool is_null(int column) const override { return rows_.is_null(row_, column); }
  std::int64_t integer(int column) const override { return rows_.integer(row_, column); }
  std::string_view text(int column) const override { return rows_.bytes(row_, column); }
  std::string_view blob(int column) const override { return rows_.bytes(row_, column); }

 private:
  const Rows& rows_;
  std::size_t row_;
};

struct Statement {
  std::string_view sql;  ///< with $1, $2, …; prepared once per text
  const Params* params = nullptr;
};

class Connection {
 public:
  /// Connects and sets what the relay relies on: time limits, synchronous_commit (read back). Throws Failure.
  /// `stop` set from another thread makes every wait end with a Failure that is lost().
  Connection(Options options, const std::atomic<bool>& stop);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  Rows run(std::string_view sql, const Params& params = {});
  void script(std::string_view sql);  ///< several statements, without parameters

  /// All of them in one round trip. When one fails those after it are not run, and its Failure is thrown; a
  /// transaction that is open then still is, and failed.
  std::vector<Rows> pipeline(std::span<const Statement> statements);

  void rollback() noexcept;  ///< harmless without a transaction and on a lost connection
  bool usable();             ///< false once it was lost, or the server has closed it
  int backend() const;       ///< the server's process number for this connection
  std::uint64_t number() const { return number_; }  ///< no two connections of this process have the same
  int server_version() const;                       ///< 150004 for 15.4
  int socket() const;

  struct Notice {
    std::string channel;
    std::string payload;
  };
  /// Waits up to `patience` for notifications of channels that were LISTENed to.
  std::vector<Notice> notices(Duration patience);

 private:
  void send_prepare(const std::string& name, std::string_view sql);
  void send(const std::string& name, const Params& params);
  Rows receive();
  void wait(bool writing, SteadyTime until);
  void flush();
  void configure();
  static std::uint64_t next_number();
  [[noreturn]] void lose(const std::string& what);
  [[noreturn]] void fail_with(pg_result* result);

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  const Options options_;
  const std::atomic<bool>& stop_;
  pg_conn* conn_ = nullptr;
  const std::uint64_t number_ = next_number();
  int backend_ = 0;
  bool lost_ = false;
  std::size_t names_made_ = 0;  ///< one whose preparation failed is not used again
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> names_;
};

}  // namespace postern::relay::pg
