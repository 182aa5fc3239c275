#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "relay/store/busy_time.hpp"
#include "relay/store/store_stats.hpp"

namespace postern::relay {

namespace sqlite {
class Connection;
}

/// One thing to write. run() on the writer thread inside the group's transaction; then, exactly once,
/// settle().
class WriteTask {
 public:
  /// Each class has a bound of its own: a flood of events keeps no completion and no operator out.
  enum class Kind { append, other };

  virtual ~WriteTask() = default;
  virtual Kind kind() const = 0;
  virtual std::size_t bytes() const = 0;  ///< roughly, in memory
  /// What it throws breaks the engine down: nothing of the group is acknowledged.
  virtual void run(sqlite::Connection& connection) = 0;
  /// Null: durable. Else nothing of it is. May throw nothing.
  virtual void settle(const Error* error) = 0;
};

struct QueueBounds {
  std::size_t appends_max = 16'384;
  std::size_t append_bytes_max = 256ULL << 20;
  std::size_t others_max = 65'536;
  std::size_t group_tasks_max = 1024;        ///< of one commit
  std::size_t group_bytes_max = 8ULL << 20;  ///< a group ends with the task that passes it
};

/// From any thread to the writer thread. Bounded.
class WriteQueue {
 public:
  explicit WriteQueue(QueueBounds bounds) : bounds_(bounds) {}

  enum class Offer { taken, full, closed };
  /// Moves from `task` only when it is taken.
  Offer offer(std::unique_ptr<WriteTask>& task);
  /// What is there, up to a group; waits up to `patience` for a first task. Empty also when closed. One
  /// thread takes; every group taken must be finished.
  std::vector<std::unique_ptr<WriteTask>> take(Duration patience);
  /// Nobody waits for the last group any more: what the writer does until it takes again is not part of it.
  void finished();
  void close();
  bool closed() const;
  std::size_t depth() const;
  StorePressure pressure() const;

 private:
  struct Waiting {
    std::unique_ptr<WriteTask> task;
    SteadyTime since;
  };
  void under_way(SteadyTime oldest, SteadyTime now);

  QueueBounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Waiting> tasks_;
  std::size_t appends_ = 0;
  std::size_t append_bytes_ = 0;
  std::uint64_t appends_taken_ = 0;
  std::optional<SteadyTime> oldest_under_way_;
  BusyTime busy_;
  bool waiting_ = false;
  bool closed_ = false;
};

}  // namespace postern::relay
