#include "relay/store/postgres/completion_queue.hpp"

namespace postern::relay {

bool CompletionQueue::offer(Batch& batch) {
  bool worth_it = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    waiting_ += batch.completions.size();
    batch.since = SystemClock().steady();
    batches_.push_back(std::move(batch));
    worth_it = waiting_ >= bounds_.worth_a_group;
  }
  arrived_.notify_one();
  if (worth_it) gathered_.notify_one();
  return true;
}

std::vector<CompletionQueue::Batch> CompletionQueue::take() {
  std::vector<Batch> taken;
  std::unique_lock lock(mutex_);
  oldest_taken_.reset();
  arrived_.wait(lock, [this] { return closed_ || !batches_.empty(); });
  if (last_group_ >= bounds_.many)
    gathered_.wait_for(lock, bounds_.gather, [this] { return closed_ || waiting_ >= bounds_.worth_a_group; });
  if (!batches_.empty()) oldest_taken_ = batches_.front().since;
  last_group_ = 0;
  while (!batches_.empty() && last_group_ < bounds_.group) {
    last_group_ += batches_.front().completions.size();
    taken.push_back(std::move(batches_.front()));
    batches_.pop_front();
  }
  waiting_ -= last_group_;
  return taken;
}

Duration CompletionQueue::oldest() const {
  const std::lock_guard lock(mutex_);
  if (oldest_taken_) return SystemClock().steady() - *oldest_taken_;
  return batches_.empty() ? Duration::zero() : SystemClock().steady() - batches_.front().since;
}

void CompletionQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
  gathered_.notify_all();
}

}  // namespace postern::relay
