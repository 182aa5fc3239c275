#pragma once
#include "relay/store/postgres/lane.hpp"
#include "relay/store/postgres/options.hpp"
#include "relay/store/sqlite/migrate.hpp"

namespace postern::relay {

/// Database on PostgreSQL, for several nodes at once.
///
/// A write job is a serializable transaction of its own: it sees no half of another one, on whatever node.
/// When two meet, the later one is run again from its start, up to eight times, so a job may run more than
/// once and what it captures must allow that. A read is one read-only snapshot. `done` of both runs on a
/// thread of the database.
///
/// A server that cannot be reached breaks nothing for good: jobs get `store_busy` until it is back. A
/// connection lost while a commit was under way gives `store_busy` too, although the job may have been done.
class PostgresDatabase final : public Database {
 public:
  /// Connects, asserts what durability hangs on (server 15 or newer, fsync, full_page_writes), brings the
  /// schema up to date and starts the threads. Errors: `store_unreachable`, `store_unsafe`, and those of
  /// migrate().
  static Result<std::unique_ptr<PostgresDatabase>> open(const PostgresOptions& options, Time now);
  ~PostgresDatabase() override;

  void write(WriteJob job, Done done) override;
  void read(ReadJob job, Done done) override;
  bool ingest_allowed() const override { return true; }
  StoreStats stats() const override;
  const MigrationReport& migrations() const override { return migrations_; }
  /// Runs what is queued, for at most three seconds, and ends the threads. Idempotent.
  void stop() override;

 private:
  PostgresDatabase(const PostgresOptions& options, MigrationReport migrations);
  void submit(pg::Lane& lane, std::function<Result<void>(pg::Link&)> work, Done done);

  MigrationReport migrations_;
  std::atomic<bool> abandon_{false};
  std::atomic<std::uint64_t> commits_{0};
  pg::Lane jobs_;
  pg::Lane reads_;
};

/// Checks of a server, for `open` and for `postern migrate`.
Result<void> assert_durable(pg::Connection& connection);
/// The error of a server that could not be reached, with what to do. Names no password.
Error unreachable(const pg::Failure& failure);

}  // namespace postern::relay
