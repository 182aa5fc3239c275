#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "relay/store/sqlite/connection.hpp"

namespace postern::relay {

/// A few threads, each with a read-only connection of its own. Each job sees one committed state.
class SqliteReaders {
 public:
  struct Options {
    std::size_t threads = 2;
    std::size_t queue_max = 256;
  };
  SqliteReaders(const std::string& file, const sqlite::OpenOptions& open, Options options);
  ~SqliteReaders();

  void submit(Database::ReadJob job, Database::Done done);
  /// Runs what is queued and ends the threads; later jobs get `store_failed`. Idempotent.
  void stop();

 private:
  struct Entry {
    Database::ReadJob job;
    Database::Done done;
  };
  void run(sqlite::Connection& connection);
  static Result<void> perform(sqlite::Connection& connection, const Database::ReadJob& job);

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Entry> entries_;
  bool closed_ = false;
  std::vector<std::unique_ptr<sqlite::Connection>> connections_;
  std::vector<std::thread> threads_;
};

}  // namespace postern::relay
