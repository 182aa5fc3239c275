#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "relay/store/busy_time.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Completions that wait to be recorded. Not bounded here: each belongs to a lease, and a node holds only so
/// many; nothing that a destination has answered is thrown away because the server is away.
///
/// Nobody waits for one to be recorded but the bound on what is not: so while many come, they are gathered
/// for a moment, and the server commits less often.
class CompletionQueue {
 public:
  struct Bounds {
    std::size_t group = 2'048;  ///< then no more join
    std::size_t many = 8;       ///< in the last group: the next one gathers
    std::size_t worth_a_group = 256;
    Duration gather = std::chrono::milliseconds(15);
  };
  CompletionQueue() : CompletionQueue(Bounds{}) {}
  explicit CompletionQueue(Bounds bounds) : bounds_(bounds) {}

  struct Batch {
    std::vector<Completion> completions;
    std::function<void(Result<std::size_t>)> done;
    SteadyTime since{};  ///< when it was offered
  };
  /// False when closed.
  bool offer(Batch& batch);
  /// What is there, up to some number; waits for a first one. Empty only when closed.
  /// One thread takes: asking again says that the last ones are settled.
  std::vector<Batch> take();
  void close();
  Duration oldest() const;  ///< how long the one that waits longest has waited, taken or not

 private:
  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_, gathered_;
  std::deque<Batch> batches_;
  std::size_t waiting_ = 0;  ///< completions, over all batches
  std::size_t last_group_ = 0;
  std::optional<SteadyTime> oldest_taken_;
  bool closed_ = false;
};

}  // namespace postern::relay
