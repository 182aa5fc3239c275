#include "relay/store/sqlite/database.hpp"

#include "base/log.hpp"

namespace postern::relay {
namespace {

/// A job of anyone's, in a savepoint: what it did is undone alone when it fails.
class JobTask final : public WriteTask {
 public:
  JobTask(Database::WriteJob job, Database::Done done) : job_(std::move(job)), done_(std::move(done)) {}
  Kind kind() const override { return Kind::other; }
  std::size_t bytes() const override { return 1024; }

  void run(sqlite::Connection& connection) override {
    connection.use("SAVEPOINT job")->step();
    outcome_ = perform(connection);
    if (!outcome_) connection.use("ROLLBACK TO job")->step();
    connection.use("RELEASE job")->step();
  }

  void settle(const Error* error) override {
    if (!done_) return;
    try {
      done_(error ? Result<void>(std::unexpected(*error)) : std::move(outcome_));
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  }

 private:
  Result<void> perform(sqlite::Connection& connection) {
    try {
      sqlite::SqliteTransaction tx(connection);
      return job_(tx);
    } catch (const sqlite::Failure& failure) {
      // Some failures end the transaction, and with it everyone else's work in this group.
      if (sqlite::is_fatal(failure.code) || !connection.in_transaction()) throw;
      return failed(failure);
    } catch (const std::exception& fault) {
      return failed(fault);
    }
  }
  static Result<void> failed(const std::exception& fault) {
    log::error("store.job_failed", {{"error", fault.what()}});
    return fail("job_failed", "The store could not do that; the log says why.");
  }

  Database::WriteJob job_;
  Database::Done done_;
  Result<void> outcome_;
};

}  // namespace

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::filesystem::path& file,
                                                             SqliteOptions options, Time now) {
  try {
    auto connection = std::make_unique<sqlite::Connection>(file.string(), sqlite::Mode::writer, options.open);
    auto report = migrate(*connection, sqlite_migrations(), now);
    if (!report) return std::unexpected(report.error());
    return std::unique_ptr<SqliteDatabase>(
        new SqliteDatabase(std::move(connection), file, std::move(options), std::move(*report)));
  } catch (const std::exception& fault) {
    return fail("store_failed", fmt::format("{}: {}", file.string(), fault.what()));
  }
}

SqliteDatabase::SqliteDatabase(std::unique_ptr<sqlite::Connection> connection,
                               const std::filesystem::path& file, SqliteOptions options,
                               MigrationReport migrations)
    : migrations_(std::move(migrations)),
      writer_(std::move(connection), std::filesystem::absolute(file).parent_path(),
              std::move(options.writer)),
      readers_(file.string(), options.open, options.readers) {}

SqliteDatabase::~SqliteDatabase() {
  stop();
}

void SqliteDatabase::stop() {
  readers_.stop();
  writer_.stop();
}

void SqliteDatabase::write(WriteJob job, Done done) {
  writer_.submit(std::make_unique<JobTask>(std::move(job), std::move(done)));
}

void SqliteDatabase::read(ReadJob job, Done done) {
  if (writer_.failed()) {
    if (done) done(fail("store_failed", "The store is broken; the log says why."));
    return;
  }
  readers_.submit(std::move(job), std::move(done));
}

}  // namespace postern::relay
