#include "relay/store/postgres/database.hpp"

#include "base/log.hpp"
#include "relay/store/postgres/bounded_stop.hpp"
#include "relay/store/postgres/migrate.hpp"
#include "relay/store/postgres/transaction.hpp"

namespace postern::relay {
namespace {

constexpr int kTries = 8;
constexpr Duration kStopTime = std::chrono::seconds(3);

Error closed_error() {
  return {"store_failed", "The store is closed."};
}
Error busy_error() {
  return {"store_busy", "Too much waits for the database; try again shortly."};
}
Error lost_error(const pg::Failure& failure) {
  return {"store_busy",
          fmt::format("PostgreSQL cannot be reached ({}). What was asked may have been done all the "
                      "same: look before you ask again.",
                      failure.what())};
}
Result<void> failed_job(const std::exception& fault) {
  log::error("store.job_failed", {{"error", fault.what()}});
  return fail("job_failed", "The store could not do that; the log says why.");
}

/// Whether the job's own error, or a commit.
Result<void> run_once(pg::Connection& connection, const Database::WriteJob& job) {
  connection.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
  pg::PostgresTransaction tx(connection);
  Result<void> outcome = job(tx);
  connection.run(outcome ? "COMMIT" : "ROLLBACK");
  return outcome;
}

Result<void> write_job(pg::Link& link, const Database::WriteJob& job) {
  for (int attempt = 1;; ++attempt) {
    try {
      return link.with([&](pg::Connection& connection) { return run_once(connection, job); });
    } catch (const pg::Failure& failure) {
      if (failure.lost()) return std::unexpected(lost_error(failure));
      if (!failure.collision()) return failed_job(failure);
      if (attempt == kTries) return std::unexpected(busy_error());
    } catch (const std::exception& fault) {
      return failed_job(fault);
    }
  }
}

void read_once(pg::Connection& connection, const Database::ReadJob& job) {
  connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  pg::PostgresTransaction tx(connection);
  job(tx);
  connection.run("COMMIT");
}

/// A read is harmless to repeat: one that a connection was lost in gets another.
Result<void> read_job(pg::Link& link, const Database::ReadJob& job, bool again = true) {
  try {
    link.with([&](pg::Connection& connection) { read_once(connection, job); });
    return {};
  } catch (const pg::Failure& failure) {
    if (failure.lost() && again) return read_job(link, job, false);
    if (failure.lost()) return std::unexpected(lost_error(failure));
    log::error("store.read_failed", {{"error", failure.what()}});
    return fail("store_failed", "The database could not be read; the log says why.");
  } catch (const std::exception& fault) {
    return failed_job(fault);
  }
}

}  // namespace

Error unreachable(const pg::Failure& failure) {
  // libpq quotes what it could not read of a URL, and that may be the password.
  for (const std::string_view telling : {"percent-encoded", "connection option", "missing \"=\"",
                                         "connection URI", "connection info", "translate host name"}) {
    if (std::string_view(failure.what()).find(telling) == std::string_view::npos) continue;
    return {"store_unreachable",
            "PostgreSQL cannot be reached: the URL of --database cannot be read, or its host has no address. "
            "It is "
            "postgresql://user:password@host:port/name; in user and password, write % @ : / ? # and spaces "
            "as %25 %40 "
            "%3A %2F %3F %23 %20."};
  }
  return {
      "store_unreachable",
      fmt::format("PostgreSQL cannot be reached: {}.\nIs the server up, and is the URL of --database right?",
                  failure.what())};
}

Result<void> assert_durable(pg::Connection& connection) {
  if (connection.server_version() < 150000) {
    return fail("store_unsafe",
                fmt::format("PostgreSQL 15 or newer is needed; the server is {}.{}.",
                            connection.server_version() / 10000, connection.server_version() % 10000));
  }
  for (const std::string_view setting : {"fsync", "full_page_writes"}) {
    pg::Params name;
    name.add_text(setting);
    const pg::Rows found = connection.run("SELECT current_setting($1)", name);
    if (found.bytes(0, 0) == "on") continue;
    return fail("store_unsafe",
                fmt::format("The server runs with {} = {}: it would acknowledge what a power failure "
                            "takes back. Switch it on in postgresql.conf.",
                            setting, found.bytes(0, 0)));
  }
  return {};
}

Result<std::unique_ptr<PostgresDatabase>> PostgresDatabase::open(const PostgresOptions& options, Time now) {
  auto report = pg::migrate(options, now);
  if (!report) return std::unexpected(report.error());
  return std::unique_ptr<PostgresDatabase>(new PostgresDatabase(options, std::move(*report)));
}

PostgresDatabase::PostgresDatabase(const PostgresOptions& options, MigrationReport migrations)
    : migrations_(std::move(migrations)),
      jobs_(options.connection("jobs"), {options.job_threads, options.queue_max}, abandon_),
      reads_(options.connection("reads"), {options.reader_threads, options.queue_max}, abandon_) {}

PostgresDatabase::~PostgresDatabase() {
  stop();
}

void PostgresDatabase::stop() {
  const pg::BoundedStop bound(abandon_, kStopTime);
  jobs_.stop();
  reads_.stop();
}

void PostgresDatabase::submit(pg::Lane& lane, std::function<Result<void>(pg::Link&)> work, Done done) {
  auto shared = std::make_shared<Done>(std::move(done));
  const auto offer = lane.submit([work = std::move(work), shared](pg::Link& link) {
    Result<void> outcome = work(link);
    try {
      if (*shared) (*shared)(std::move(outcome));
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  });
  if (offer == pg::Lane::Offer::taken || !*shared) return;
  (*shared)(std::unexpected(offer == pg::Lane::Offer::full ? busy_error() : closed_error()));
}

void PostgresDatabase::write(WriteJob job, Done done) {
  submit(
      jobs_,
      [this, job = std::move(job)](pg::Link& link) {
        Result<void> outcome = write_job(link, job);
        if (outcome) commits_.fetch_add(1, std::memory_order_relaxed);
        return outcome;
      },
      std::move(done));
}

void PostgresDatabase::read(ReadJob job, Done done) {
  submit(reads_, [job = std::move(job)](pg::Link& link) { return read_job(link, job); }, std::move(done));
}

StoreStats PostgresDatabase::stats() const {
  StoreStats stats;
  stats.queue_depth = jobs_.depth();
  stats.commits = stats.tasks = commits_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace postern::relay
