#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.hpp"

namespace postern::relay::pg {

/// While it lives, a wait for a server that does not answer is cut short after `limit`, by setting `abandon`:
/// a store must be able to close while its server is frozen.
class BoundedStop {
 public:
  BoundedStop(std::atomic<bool>& abandon, Duration limit)
      : thread_([this, &abandon, limit] {
          std::unique_lock lock(mutex_);
          if (!done_.wait_for(lock, limit, [this] { return ended_; })) abandon.store(true);
        }) {}
  ~BoundedStop() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    done_.notify_all();
    thread_.join();
  }
  BoundedStop(const BoundedStop&) = delete;
  BoundedStop& operator=(const BoundedStop&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace postern::relay::pg
