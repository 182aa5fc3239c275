#pragma once
#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "relay/store/disk_space.hpp"
#include "relay/store/sqlite/connection.hpp"
#include "relay/store/sqlite/write_queue.hpp"
#include "relay/store/store_stats.hpp"

namespace postern::relay {

/// When the log's pages are moved into the database. Each move costs a sync of the database file, in the way
/// of the next commit: so it is done while nothing waits, and under steady load only when the log has grown
/// long.
struct CheckpointPolicy {
  int idle_pages = 1'000;  ///< with nothing queued
  int busy_pages = 4'000;  ///< whatever is queued: a longer log means rarer and longer stops
};

struct WriterOptions {
  QueueBounds queue;
  CheckpointPolicy checkpoint;
  LowWater low_water;
  /// Called once, on the writer thread, when the engine broke. The process should log it and end: nothing is
  /// acknowledged any more.
  std::function<void(const std::string& why)> on_fatal;
  /// After each commit, on the writer thread, for metrics: tasks in the group and how long the commit itself
  /// took.
  std::function<void(std::size_t tasks, Duration took)> on_commit;
};

/// Is told of every group. All calls on the writer thread.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  virtual void before_commit(
      sqlite::Connection& connection) = 0;  ///< inside the transaction, after the last task
  virtual void after_commit() = 0;          ///< durable, and every task is settled
};

/// The writer thread and its connection: the only ones that write or checkpoint. (A database that one
/// connection checkpoints while another commits can be corrupted by every SQLite before 3.51.3.)
class SqliteWriter {
 public:
  /// Starts the thread. Takes over a writer connection whose schema is up to date.
  SqliteWriter(std::unique_ptr<sqlite::Connection> connection, std::filesystem::path directory,
               WriterOptions options);
  /// Writes what is queued, checkpoints and closes.
  ~SqliteWriter();

  /// Any thread. A task that is not taken is settled at once, on this thread, with `store_busy` or
  /// `store_failed`.
  void submit(std::unique_ptr<WriteTask> task);
  /// Call before the first submit; the listener outlives the writer's thread, see stop().
  void listen(GroupListener* listener) { listener_ = listener; }
  /// Writes what is queued and ends the thread; later tasks get `store_failed`. Idempotent; not from the
  /// writer.
  void stop();

  bool ingest_allowed() const { return space_.open() && !failed(); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  StoreStats stats() const;
  StorePressure pressure() const { return queue_.pressure(); }

 private:
  void run();
  void commit(std::vector<std::unique_ptr<WriteTask>> group);
  bool begin();
  void finish(std::vector<std::unique_ptr<WriteTask>>& group, const Error* error);
  void break_down(const std::string& why);
  void watch_disk();
  void checkpoint_if_due();

  std::unique_ptr<sqlite::Connection> connection_;
  const std::filesystem::path directory_;
  const WriterOptions options_;
  WriteQueue queue_;
  SpaceGate space_;
  GroupListener* listener_ = nullptr;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> commits_{0}, tasks_{0}, commit_micros_{0}, checkpoints_{0},
      checkpoint_micros_{0};
  std::atomic<int> log_pages_{0};
  int checkpoint_floor_ = 0;
  int pages_seen_ = 0;
  std::chrono::steady_clock::time_point disk_seen_{};
  std::thread thread_;
};

}  // namespace postern::relay
