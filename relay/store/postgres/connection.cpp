#include "relay/store/postgres/connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

namespace postern::relay::pg {
namespace {

constexpr int kSliceMs = 100;  // how soon a wait notices that it is to stop

std::string one_line(const char* text) {
  std::string line(text == nullptr ? "" : text);
  std::ranges::replace(line, '\n', ' ');
  while (line.ends_with(' ')) line.pop_back();
  return line.empty() ? "no answer" : line;
}

std::int64_t big_endian(const char* bytes, int size) {
  std::int64_t value = (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

bool is_integer(Oid type) {
  switch (static_cast<Type>(type)) {
    case Type::boolean:
    case Type::int2:
    case Type::int4:
    case Type::int8:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Rows::Free::operator()(pg_result* result) const {
  PQclear(result);
}
Rows::Rows(pg_result* result) : result_(result) {}

std::size_t Rows::size() const {
  return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0;
}
std::int64_t Rows::changed() const {
  return result_ ? std::strtoll(PQcmdTuples(result_.get()), nullptr, 10) : 0;
}
bool Rows::is_null(std::size_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}
std::int64_t Rows::integer(std::size_t row, int column) const {
  if (is_null(row, column) || !is_integer(PQftype(result_.get(), column)))
    throw StoreFault(fmt::format("column {} holds no integer", column));
  return big_endian(PQgetvalue(result_.get(), static_cast<int>(row), column),
                    PQgetlength(result_.get(), static_cast<int>(row), column));
}
std::string_view Rows::bytes(std::size_t row, int column) const {
  if (column >= PQnfields(result_.get())) throw StoreFault(fmt::format("there is no column {}", column));
  if (is_integer(PQftype(result_.get(), column)))
    throw StoreFault(fmt::format("column {} holds an integer, not bytes", column));
  return {PQgetvalue(result_.get(), static_cast<int>(row), column),
          static_cast<std::size_t>(PQgetlength(result_.get(), static_cast<int>(row), column))};
}

Connection::Connection(Options options, const std::atomic<bool>& stop)
    : options_(std::move(options)), stop_(stop) {
  // The URL comes first, so that it can say nothing of what is set here.
  const char* const names[] = {"dbname", "application_name", "client_encoding", "keepalives_idle", nullptr};
  const char* const values[] = {options_.url.c_str(), options_.application.c_str(), "UTF8", "15", nullptr};
  conn_ = PQconnectStartParams(names, values, 1);
  try {
    if (conn_ == nullptr) throw std::bad_alloc();
    const SteadyTime until = SystemClock().steady() + options_.connect_time;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
      if (PQstatus(conn_) == CONNECTION_BAD || state == PGRES_POLLING_FAILED) lose("");
      wait(state == PGRES_POLLING_WRITING, until);
      state = PQconnectPoll(conn_);
    }
    PQsetnonblocking(conn_, 1);
    PQsetNoticeProcessor(conn_, [](void*, const char*) {}, nullptr);
    configure();
  } catch (...) {
    PQfinish(conn_);
    throw;
  }
}

Connection::~Connection() {
  PQfinish(conn_);
}

std::uint64_t Connection::next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void Connection::configure() {
  const auto ms = [](Duration time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  if (options_.plan == Options::Plan::by_index)
    script(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; "
        "SET enable_mergejoin = off; SET enable_bitmapscan = off; SET enable_sort = off");
  script(fmt::format(
      "SET jit = off; SET synchronous_commit = on; SET statement_timeout = {}; SET lock_timeout = {}; "
      "SET idle_in_transaction_session_timeout = {}",
      ms(options_.statement_time), ms(options_.lock_time), ms(options_.idle_time)));
  // The server's own number: behind a pooler the one that libpq knows is the pooler's.
  const Rows set =
      run("SELECT current_setting('synchronous_commit'), pg_backend_pid(), pg_is_in_recovery(), "
          "current_setting('transaction_read_only')");
  if (set.bytes(0, 0) != "on") throw Failure("", "the server does not let synchronous_commit be switched on");
  if (set.integer(0, 2) != 0 || set.bytes(0, 3) == "on")
    throw Failure("", "the server is read-only: it is a standby, or was the primary until a moment ago");
  backend_ = static_cast<int>(set.integer(0, 1));
}

/// What the server has said while nothing was asked is mostly its farewell.
bool Connection::usable() {
  if (lost_ || PQstatus(conn_) != CONNECTION_OK) return false;
  pollfd entry{PQsocket(conn_), POLLIN, 0};
  if (::poll(&entry, 1, 0) > 0 && PQconsumeInput(conn_) == 0) lost_ = true;
  return !lost_ && PQstatus(conn_) == CONNECTION_OK;
}
int Connection::backend() const {
  return backend_;
}
int Connection::server_version() const {
  return PQserverVersion(conn_);
}
int Connection::socket() const {
  return PQsocket(conn_);
}

void Connection::lose(const std::string& what) {
  lost_ = true;
  throw Failure("", what.empty() ? one_line(PQerrorMessage(conn_)) : what);
}

void Connection::wait(bool writing, SteadyTime until) {
  while (true) {
    pollfd entry{PQsocket(conn_), static_cast<short>(writing ? POLLIN | POLLOUT : POLLIN), 0};
    if (entry.fd < 0) lose("");
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - SystemClock().steady()).count();
    if (left <= 0) lose("the server did not answer in time");
    if (stop_.load(std::memory_order_relaxed)) lose("the store is closing");
    if (::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, kSliceMs))) > 0) return;
  }
}

void Connection::flush() {
  const bool endless = options_.silence_time == Duration::zero();
  const SteadyTime until = endless ? SteadyTime::max() : SystemClock().steady() + options_.silence_time;
  while (true) {
    const int left = PQflush(conn_);
    if (left == 0) return;
    if (left < 0) lose("");
    wait(true, until);
    if (PQconsumeInput(conn_) == 0) lose("");
  }
}

/// The next answer; empty at the end of a statement's.
Rows Connection::receive() {
  const bool endless = options_.silence_time == Duration::zero();
  const SteadyTime until = endless ? SteadyTime::max() : SystemClock().steady() + options_.silence_time;
  while (PQisBusy(conn_) != 0) {
    wait(false, until);
    if (PQconsumeInput(conn_) == 0) lose("");
  }
  return Rows(PQgetResult(conn_));
}

void Connection::fail_with(pg_result* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* const detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  Failure failure(state == nullptr ? "" : state,
                  message == nullptr ? one_line(PQerrorMessage(conn_))
                                     : one_line(message) + (detail ? " (" + one_line(detail) + ")" : ""));
  if (failure.lost() || PQstatus(conn_) != CONNECTION_OK) {
    lost_ = true;
    failure.sqlstate = failure.lost() ? failure.sqlstate : "";
  }
  throw failure;
}

void Connection::send_prepare(const std::string& name, std::string_view sql) {
  if (PQsendPrepare(conn_, name.c_str(), std::string(sql).c_str(), 0, nullptr) == 0) lose("");
}

void Connection::send(const std::string& name, const Params& params) {
  const auto values = params.values();
  const auto lengths = params.lengths();
  const auto formats = params.formats();
  if (PQsendQueryPrepared(conn_, name.c_str(), params.size(), values.data(), lengths.data(), formats.data(),
                          1) == 0)
    lose("");
}

Rows Connection::run(std::string_view sql, const Params& params) {
  const Statement statement{sql, &params};
  return std::move(pipeline({&statement, 1}).front());
}

void Connection::script(std::string_view sql) {
  if (lost_ || PQsendQuery(conn_, std::string(sql).c_str()) == 0) lose("");
  flush();
  Rows failed;
  while (true) {
    Rows rows = receive();
    pg_result* const result = rows.raw();
    if (result == nullptr) break;
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) failed = std::move(rows);
  }
  if (failed.raw() != nullptr) fail_with(failed.raw());
}

std::vector<Rows> Connection::pipeline(std::span<const Statement> statements) {
  static const Params kNone;
  if (lost_ || PQenterPipelineMode(conn_) == 0) lose("");
  std::vector<bool> prepares;
  for (const Statement& statement : statements) {
    const auto [named, fresh] =
        names_.try_emplace(std::string(statement.sql), fmt::format("s{}", names_made_));
    const std::string& name = named->second;
    names_made_ += fresh ? 1 : 0;
    prepares.push_back(fresh);
    if (fresh) send_prepare(name, statement.sql);
    send(name, statement.params == nullptr ? kNone : *statement.params);
  }
  if (PQpipelineSync(conn_) == 0) lose("");
  flush();
  std::vector<Rows> answers;
  Rows failed;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    for (int step = prepares[i] ? 0 : 1; step < 2; ++step) {
      Rows rows = receive();
      pg_result* const result = rows.raw();
      if (result == nullptr) lose("the server's answers do not match what was asked");
      const auto status = PQresultStatus(result);
      const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
      if (!good && step == 0) names_.erase(names_.find(statements[i].sql));
      if (!good && failed.raw() == nullptr)
        failed = std::move(rows);
      else if (good && step == 1)
        answers.push_back(std::move(rows));
      receive();  // the end of this one
    }
  }
  receive();  // the synchronisation point
  if (PQexitPipelineMode(conn_) == 0) lose("");
  if (failed.raw() != nullptr) fail_with(failed.raw());
  return answers;
}

void Connection::rollback() noexcept {
  if (lost_) return;
  const auto status = PQtransactionStatus(conn_);
  if (status == PQTRANS_IDLE) return;
  try {
    script("ROLLBACK");
  } catch (const std::exception&) {
    lost_ = true;
  }
}

std::vector<Connection::Notice> Connection::notices(Duration patience) {
  const SteadyTime until = SystemClock().steady() + patience;
  std::vector<Notice> found;
  while (found.empty()) {
    if (PQconsumeInput(conn_) == 0) lose("");
    while (PGnotify* notice = PQnotifies(conn_)) {
      found.push_back({notice->relname, notice->extra});
      PQfreemem(notice);
    }
    if (!found.empty() || SystemClock().steady() >= until) break;
    pollfd entry{PQsocket(conn_), POLLIN, 0};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - SystemClock().steady()).count();
    if (stop_.load(std::memory_order_relaxed)) break;
    ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 1, kSliceMs)));
  }
  return found;
}

}  // namespace postern::relay::pg
