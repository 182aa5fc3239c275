#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.hpp"

namespace postern::control {

/// N event loops, each one io_context on one thread. What lives on a loop stays on it.
class Loops {
 public:
  explicit Loops(std::size_t count);
  ~Loops();  ///< stops and joins what still runs

  std::span<boost::asio::io_context* const> all() const { return pointers_; }
  boost::asio::io_context& first() const { return *pointers_.front(); }
  std::size_t size() const { return pointers_.size(); }

  void start();
  /// Lets the loops end: each does when it has nothing left to wait for. True when all did within `limit`;
  /// then no suspended coroutine is left. Otherwise they are stopped where they are.
  bool finish(Duration limit);

 private:
  void run(boost::asio::io_context& loop);

  std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
  std::vector<boost::asio::io_context*> pointers_;
  std::vector<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guards_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
};

}  // namespace postern::control
