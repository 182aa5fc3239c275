#pragma once
#include <filesystem>
#include <memory>

#include "relay/store/sqlite/migrate.hpp"
#include "relay/store/sqlite/readers.hpp"
#include "relay/store/sqlite/writer.hpp"

namespace postern::relay {

struct SqliteOptions {
  sqlite::OpenOptions open;
  WriterOptions writer;
  SqliteReaders::Options readers;
};

/// Database on SQLite: one writer thread with group commit, a few reader threads.
///
/// Beyond what Database promises: a job that throws something the engine is not to blame for (a bug, a sealed
/// value that does not open) is undone alone and gets Error `job_failed`. A job runs in a savepoint of its
/// own.
class SqliteDatabase final : public Database {
 public:
  /// Opens or creates `file`, brings its schema up to date and starts the threads. Errors: those of
  /// migrate(), and `store_failed` when the file cannot be opened or is no sound database.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::filesystem::path& file,
                                                      SqliteOptions options, Time now);
  ~SqliteDatabase() override;

  void write(WriteJob job, Done done) override;
  void read(ReadJob job, Done done) override;

  /// False below the low-water mark of the disk and after a fault: ingest answers 503, all else goes on.
  bool ingest_allowed() const override { return writer_.ingest_allowed(); }
  StoreStats stats() const override { return writer_.stats(); }
  const MigrationReport& migrations() const override { return migrations_; }

  SqliteWriter& writer() { return writer_; }
  /// Runs what is queued, checkpoints and ends the threads. Idempotent.
  void stop() override;

 private:
  SqliteDatabase(std::unique_ptr<sqlite::Connection> connection, const std::filesystem::path& file,
                 SqliteOptions options, MigrationReport migrations);

  MigrationReport migrations_;
  SqliteWriter writer_;  // before the readers: theirs close first, so that the writer's close finds no other
  SqliteReaders readers_;
};

}  // namespace postern::relay
