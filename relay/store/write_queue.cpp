#include "relay/store/write_queue.hpp"

namespace postern::relay {

WriteQueue::Offer WriteQueue::offer(std::unique_ptr<WriteTask>& task) {
  const bool append = task->kind() == WriteTask::Kind::append;
  const std::size_t bytes = task->bytes();
  std::unique_lock lock(mutex_);
  if (closed_) return Offer::closed;
  if (append) {
    // One task always fits, however large: it was bounded where it was read.
    const bool room = append_bytes_ == 0 || append_bytes_ + bytes <= bounds_.append_bytes_max;
    if (appends_ >= bounds_.appends_max || !room) return Offer::full;
    ++appends_;
    append_bytes_ += bytes;
  } else if (tasks_.size() - appends_ >= bounds_.others_max) {
    return Offer::full;
  }
  tasks_.push_back(std::move(task));
  if (std::exchange(waiting_, false)) {
    lock.unlock();
    arrived_.notify_one();
  }
  return Offer::taken;
}

std::vector<std::unique_ptr<WriteTask>> WriteQueue::take(Duration patience) {
  std::vector<std::unique_ptr<WriteTask>> group;
  std::unique_lock lock(mutex_);
  if (tasks_.empty() && !closed_ && patience > Duration::zero()) {
    waiting_ = true;
    arrived_.wait_for(lock, patience, [this] { return !tasks_.empty() || closed_; });
    waiting_ = false;
  }
  std::size_t bytes = 0;
  while (!tasks_.empty() && group.size() < bounds_.group_tasks_max && bytes < bounds_.group_bytes_max) {
    auto& task = tasks_.front();
    const std::size_t size = task->bytes();
    bytes += size;
    if (task->kind() == WriteTask::Kind::append) {
      --appends_;
      append_bytes_ -= size;
    }
    group.push_back(std::move(task));
    tasks_.pop_front();
  }
  return group;
}

void WriteQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

bool WriteQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::size_t WriteQueue::depth() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

}  // namespace postern::relay
