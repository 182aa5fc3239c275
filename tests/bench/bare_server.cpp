// The machine's own limit: a minimal Beast server that answers 200, at once or after a group-committed SQLite
// writer has made one row of what came in durable. No routing, no checks, nothing else.
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <condition_variable>
#include <iostream>
#include <stdexcept>

#include "base/spawn.hpp"

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

/// One thread, one connection: takes what is queued when the last commit ends. Keys are ordered (the row
/// number).
class Writer {
 public:
  explicit Writer(const std::string& file) {
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
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~Writer() {
    thread_.request_stop();
    ready_.notify_all();
    thread_.join();
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }

  void write(std::string headers, std::string body, Committed done) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(headers), std::move(body), std::move(done)});
    ready_.notify_one();
  }

 private:
  struct Job {
    std::string headers, body;
    Committed done;
  };

  void exec(const char* sql) { must(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), db_); }

  void insert(const Job& job) {
    static constexpr char kId[17] = "0123456789abcdef";
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

  void run(std::stop_token stop) {
    while (true) {
      std::vector<Job> group;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, stop, [this] { return !queue_.empty(); });
        if (queue_.empty()) return;
        group.swap(queue_);
      }
      exec("BEGIN IMMEDIATE");
      for (const Job& job : group) insert(job);
      exec("COMMIT");
      for (Job& job : group) job.done();
    }
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::vector<Job> queue_;
  std::jthread thread_;
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
  app.add_option("--store", store, "SQLite file to commit each request to before it is answered");
  CLI11_PARSE(app, argc, argv);
  namespace asio = boost::asio;
  std::unique_ptr<postern::bench::Writer> writer;
  if (!store.empty()) writer = std::make_unique<postern::bench::Writer>(store);
  asio::io_context loop(1);
  asio::ip::tcp::acceptor acceptor(loop, {asio::ip::make_address("127.0.0.1"), 0});
  std::cout << "ready port=" << acceptor.local_endpoint().port() << std::endl;
  postern::spawn(loop.get_executor(), postern::bench::accept(acceptor, writer.get()), "bare.accept");
  loop.run();
}
