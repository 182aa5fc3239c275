#include "relay/store/sqlite/write_queue.hpp"

#include <algorithm>

namespace postern::relay {

WriteQueue::Offer WriteQueue::offer(std::unique_ptr<WriteTask>& task) {
  const bool append = task->kind() == WriteTask::Kind::append;
  const std::size_t bytes = task->bytes();
  const SteadyTime now = SystemClock().steady();
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
  tasks_.push_back({std::move(task), now});
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
  if (!tasks_.empty()) under_way(tasks_.front().since, SystemClock().steady());
  std::size_t bytes = 0;
  while (!tasks_.empty() && group.size() < bounds_.group_tasks_max && bytes < bounds_.group_bytes_max) {
    auto& task = tasks_.front().task;
    const std::size_t size = task->bytes();
    bytes += size;
    if (task->kind() == WriteTask::Kind::append) {
      --appends_;
      ++appends_taken_;
      append_bytes_ -= size;
    }
    group.push_back(std::move(task));
    tasks_.pop_front();
  }
  return group;
}

void WriteQueue::finished() {
  const std::lock_guard lock(mutex_);
  oldest_under_way_.reset();
  busy_.end(SystemClock().steady());
}

void WriteQueue::under_way(SteadyTime oldest, SteadyTime now) {
  oldest_under_way_ = oldest;
  busy_.begin(now);
}

StorePressure WriteQueue::pressure() const {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = SystemClock().steady();
  const auto part = [](std::size_t of, std::size_t most) { return static_cast<unsigned>(of * 1000 / most); };
  StorePressure pressure;
  pressure.appends_waiting = appends_;
  pressure.filled =
      std::max(part(appends_, bounds_.appends_max), part(append_bytes_, bounds_.append_bytes_max));
  if (oldest_under_way_) {
    pressure.oldest_append = now - *oldest_under_way_;
  } else if (!tasks_.empty()) {
    pressure.oldest_append = now - tasks_.front().since;
  }
  pressure.appends_taken = appends_taken_;
  pressure.busy = busy_.until(now);
  return pressure;
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
