// The machine's own limit: a minimal Beast server that answers 200, at once or after a group-committed SQLite
// or PostgreSQL writer has made one row of what came in durable. No routing, no checks, nothing else.
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <condition_variable>
#include <iostream>
#include <stdexcept>

#include "base/spawn.hpp"
#include "relay/store/postgres/connection.hpp"

namespace postern::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Request = http::request<http::string_body>;
using Committed = std::function<void()>;

void must(int code, sqlite3* db) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
    throw std::runtime_error(sqlite3_errmsg(db));
}

struct Job {
  std::string headers, body;
  Committed done;
};

/// Takes what is queued when the last commit ends. Keys are ordered (the row number).
class Writer {
 public:
  virtual ~Writer() = default;

  void write(std::string headers, std::string body, Committed done) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(headers), std::move(body), std::move(done)});
    ready_.notify_one();
  }

 protected:
  void start(std::function<void(const std::vector<Job>&)> commit) {
    threads_.emplace_back([this, commit](std::stop_token stop) { run(stop, commit); });
  }
  void stop() {
    for (auto& thread : threads_) thread.request_stop();
    ready_.notify_all();
    threads_.clear();
  }

 private:
  void run(std::stop_token stop, const std::function<void(const std::vector<Job>&)>& commit) {
    while (true) {
      std::vector<Job> group;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, stop, [this] { return !queue_.empty(); });
        if (queue_.empty()) return;
        group.swap(queue_);
      }
      commit(group);
      for (Job& job : group) job.done();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::vector<Job> queue_;
  std::vector<std::jthread> threads_;
};

constexpr char kId[17] = "0123456789abcdef";

/// One thread, one connection.
class SqliteWriter final : public Writer {
 public:
  explicit SqliteWriter(const std::string& file) {
    must(sqlite3_open(file.c_str(), &db_), db_);
    exec("PRAGMA journal_mode=WAL");
    exec("PRAGMA synchronous=FULL");
    exec(
        "CREATE TABLE event(seq INTEGER PRIMARY KEY, id BLOB, source BLOB, type TEXT, dedupe BLOB, headers "
        "BLOB, "
        "body BLOB, at INTEGER)");
    must(sqlite3_prepare_v2(db_,
                            "INSERT INTO event(id,source,type,dedupe,headers,body,at) VALUES(?,?,?,?,?,?,?)",
                            -1, &insert_, nullptr),
         db_);
    start([this](const std::vector<Job>& group) {
      exec("BEGIN IMMEDIATE");
      for (const Job& job : group) insert(job);
      exec("COMMIT");
    });
  }
  ~SqliteWriter() override {
    stop();
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }

 private:
  void exec(const char* sql) { must(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), db_); }

  void insert(const Job& job) {
    sqlite3_bind_blob(insert_, 1, kId, 16, SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 2, kId, 16, SQLITE_STATIC);
    sqlite3_bind_text(insert_, 3, "invoice.paid", -1, SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 4, kId, 16, SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 5, job.headers.data(), static_cast<int>(job.headers.size()), SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 6, job.body.data(), static_cast<int>(job.body.size()), SQLITE_STATIC);
    sqlite3_bind_int64(insert_, 7, 0);
    must(sqlite3_step(insert_), db_);
    sqlite3_reset(insert_);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

/// Two connections, one statement of arrays for each group: the columns of the relay's event table, and no
/// index but the key.
class PostgresWriter final : public Writer {
 public:
  explicit PostgresWriter(const std::string& url) {
    relay::pg::Connection setup({.url = url, .application = "bare"}, abandon_);
    setup.script(
        "CREATE TABLE bare (row bigint PRIMARY KEY, id uuid, workspace uuid, source uuid, received bigint, "
        "verified "
        "smallint, type text, dedupe bytea, method text, target bytea, peer text, headers bytea, body "
        "bytea)");
    for (int i = 0; i < 2; ++i) {
      connections_.push_back(std::make_unique<relay::pg::Connection>(
          relay::pg::Options{.url = url, .application = "bare"}, abandon_));
      start([this, own = connections_.back().get()](const std::vector<Job>& group) { insert(*own, group); });
    }
  }
  ~PostgresWriter() override { stop(); }

 private:
  void insert(relay::pg::Connection& connection, const std::vector<Job>& group) {
    using relay::pg::Array, relay::pg::Type;
    Array row(Type::int8), headers(Type::bytea), body(Type::bytea);
    for (const Job& job : group) {
      row.add(next_row_.fetch_add(1));
      headers.add(job.headers);
      body.add(job.body);
    }
    relay::pg::Params params;
    params.add(std::move(row)).add(std::move(headers)).add(std::move(body)).add_bytes({kId, 16});
    connection.run(
        "INSERT INTO bare SELECT u.row, $4::uuid, $4::uuid, $4::uuid, 0, 1, 'invoice.paid', "
        "'abcdefghijklmnop'::bytea, "
        "'POST', '/in/default/bench'::bytea, '127.0.0.1:40000', u.headers, u.body "
        "FROM unnest($1::int8[], $2::bytea[], $3::bytea[]) AS u (row, headers, body)",
        params);
  }

  std::atomic<bool> abandon_{false};
  std::atomic<std::int64_t> next_row_{1};
  std::vector<std::unique_ptr<relay::pg::Connection>> connections_;
};

asio::awaitable<void> committed(Writer& writer, Request& request) {
  auto executor = co_await asio::this_coro::executor;
  auto start = [&](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    std::string headers;
    for (const auto& field : request) headers.append(field.name_string()).append(":").append(field.value());
    writer.write(std::move(headers), std::move(request.body()),
                 [shared, executor] { asio::post(executor, [shared] { (*shared)(); }); });
  };
  co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(start, asio::use_awaitable);
}

asio::awaitable<void> serve(asio::ip::tcp::socket socket, Writer* writer) {
  socket.set_option(asio::ip::tcp::no_delay(true));
  boost::beast::flat_buffer buffer;
  buffer.reserve(4096);
  while (true) {
    Request request;
    auto [read_error, size] =
        co_await http::async_read(socket, buffer, request, asio::as_tuple(asio::use_awaitable));
    if (read_error) co_return;
    if (writer != nullptr) co_await committed(*writer, request);
    http::response<http::string_body> response(http::status::ok, 11);
    response.body() = R"({"event_id":"evt_01jd8x00000000000000000000","duplicate":false})";
    response.prepare_payload();
    auto [write_error, sent] =
        co_await http::async_write(socket, response, asio::as_tuple(asio::use_awaitable));
    if (write_error) co_return;
  }
}

asio::awaitable<void> accept(asio::ip::tcp::acceptor& acceptor, Writer* writer) {
  while (true) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    spawn(acceptor.get_executor(), serve(std::move(socket), writer), "bare.connection");
  }
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  std::string store;
  CLI::App app{"A server with nothing in it, for the bare limits of this machine"};
  std::string postgres;
  app.add_option("--store", store, "SQLite file to commit each request to before it is answered");
  app.add_option("--postgres", postgres, "The same, into a PostgreSQL database that is empty");
  CLI11_PARSE(app, argc, argv);
  namespace asio = boost::asio;
  std::unique_ptr<postern::bench::Writer> writer;
  if (!store.empty()) writer = std::make_unique<postern::bench::SqliteWriter>(store);
  if (!postgres.empty()) writer = std::make_unique<postern::bench::PostgresWriter>(postgres);
  asio::io_context loop(1);
  asio::ip::tcp::acceptor acceptor(loop, {asio::ip::make_address("127.0.0.1"), 0});
  std::cout << "ready port=" << acceptor.local_endpoint().port() << std::endl;
  postern::spawn(loop.get_executor(), postern::bench::accept(acceptor, writer.get()), "bare.accept");
  loop.run();
}
