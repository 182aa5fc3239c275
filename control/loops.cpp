#include "control/loops.hpp"

#include <cstdlib>

#include "base/log.hpp"
#include "control/cli/exit_codes.hpp"

namespace postern::control {

Loops::Loops(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    // One thread each: the hint spares the locks.
    auto& context = contexts_.emplace_back(std::make_unique<boost::asio::io_context>(1));
    pointers_.push_back(context.get());
    guards_.emplace_back(context->get_executor());
  }
}

Loops::~Loops() {
  for (auto* context : pointers_) context->stop();
  for (auto& thread : threads_) thread.join();
}

void Loops::start() {
  running_ = pointers_.size();
  for (auto* context : pointers_) threads_.emplace_back([this, context] { run(*context); });
}

void Loops::run(boost::asio::io_context& loop) {
  try {
    loop.run();
  } catch (const std::exception& fault) {
    // Tasks are spawned with a handler of their own: this is a bug, and what it left behind is unknown.
    log::error("loop.failed", {{"error", fault.what()}});
    std::_Exit(kExitFault);
  }
  const std::lock_guard lock(mutex_);
  --running_;
  ended_.notify_all();
}

bool Loops::finish(Duration limit) {
  guards_.clear();
  bool idle = false;
  {
    std::unique_lock lock(mutex_);
    idle = ended_.wait_for(lock, limit, [&] { return running_ == 0; });
  }
  for (auto* context : pointers_) context->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  return idle;
}

}  // namespace postern::control
