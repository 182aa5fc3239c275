#include "relay/store/postgres/completion_queue.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kAtOnce = 2'048;

}  // namespace

bool CompletionQueue::offer(Batch& batch) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    batches_.push_back(std::move(batch));
  }
  arrived_.notify_one();
  return true;
}

std::vector<CompletionQueue::Batch> CompletionQueue::take() {
  std::vector<Batch> taken;
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return closed_ || !batches_.empty(); });
  std::size_t count = 0;
  while (!batches_.empty() && count < kAtOnce) {
    count += batches_.front().completions.size();
    taken.push_back(std::move(batches_.front()));
    batches_.pop_front();
  }
  return taken;
}

void CompletionQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace postern::relay
