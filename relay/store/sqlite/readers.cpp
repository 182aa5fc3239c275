#include "relay/store/sqlite/readers.hpp"

#include "base/log.hpp"

namespace postern::relay {

SqliteReaders::SqliteReaders(const std::string& file, const sqlite::OpenOptions& open, Options options)
    : queue_max_(options.queue_max) {
  for (std::size_t i = 0; i < options.threads; ++i) {
    connections_.push_back(std::make_unique<sqlite::Connection>(file, sqlite::Mode::reader, open));
  }
  for (auto& connection : connections_) {
    threads_.emplace_back([this, &connection = *connection] { run(connection); });
  }
}

SqliteReaders::~SqliteReaders() {
  stop();
}

void SqliteReaders::stop() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  connections_.clear();
}

void SqliteReaders::submit(Database::ReadJob job, Database::Done done) {
  Error refusal{"store_failed", "The store is closed."};
  {
    const std::lock_guard lock(mutex_);
    if (!closed_ && entries_.size() < queue_max_) {
      entries_.push_back({std::move(job), std::move(done)});
      arrived_.notify_one();
      return;
    }
    if (!closed_) refusal = {"store_busy", "Too many reads are waiting; try again shortly."};
  }
  if (done) done(std::unexpected(std::move(refusal)));
}

void SqliteReaders::run(sqlite::Connection& connection) {
  while (true) {
    Entry entry;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return closed_ || !entries_.empty(); });
      if (entries_.empty()) return;
      entry = std::move(entries_.front());
      entries_.pop_front();
    }
    Result<void> outcome = perform(connection, entry.job);
    entry.job = nullptr;
    if (entry.done) entry.done(std::move(outcome));
  }
}

Result<void> SqliteReaders::perform(sqlite::Connection& connection, const Database::ReadJob& job) {
  try {
    connection.use("BEGIN")->step();
    sqlite::SqliteTransaction tx(connection);
    job(tx);
    connection.use("COMMIT")->step();
    return {};
  } catch (const sqlite::Failure& failure) {
    connection.rollback();
    log::error("store.read_failed", {{"error", failure.what()}});
    return fail("store_failed", "The database could not be read; the log says why.");
  } catch (const std::exception& fault) {
    connection.rollback();
    log::error("store.job_failed", {{"error", fault.what()}});
    return fail("job_failed", "The store could not do that; the log says why.");
  }
}

}  // namespace postern::relay
