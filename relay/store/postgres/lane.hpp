#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "relay/store/postgres/link.hpp"

namespace postern::relay::pg {

/// A bounded queue served by a few threads, each with a connection of its own. Tasks of one lane run in the
/// order they came when it has one thread.
class Lane {
 public:
  /// Must not throw. A Failure of the link is the task's to handle: it is told by `link.with`.
  using Task = std::function<void(Link& link)>;

  struct Size {
    std::size_t threads = 1;
    std::size_t queue_max = 4'096;
  };
  Lane(const Options& options, Size size, const std::atomic<bool>& abandon);
  ~Lane();

  enum class Offer { taken, full, closed };
  Offer submit(Task task);
  std::size_t depth() const;
  /// Runs what is queued and ends the threads. Idempotent.
  void stop();

 private:
  void run(Link& link);

  const std::size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Task> tasks_;
  bool closed_ = false;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::thread> threads_;
};

}  // namespace postern::relay::pg
