#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Completions that wait to be recorded. Not bounded here: each belongs to a lease, and a node holds only so
/// many; nothing that a destination has answered is thrown away because the server is away.
class CompletionQueue {
 public:
  struct Batch {
    std::vector<Completion> completions;
    std::function<void(Result<std::size_t>)> done;
  };
  /// False when closed.
  bool offer(Batch& batch);
  /// What is there, up to some bytes and number; waits for a first one. Empty only when closed.
  std::vector<Batch> take();
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Batch> batches_;
  bool closed_ = false;
};

}  // namespace postern::relay
