#include "relay/store/postgres/append_queue.hpp"

#include <algorithm>

namespace postern::relay {

AppendQueue::Offer AppendQueue::offer(AppendTask& task) {
  bool worth_it = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Offer::closed;
    // One always fits, however large: it was bounded where it was read.
    const bool room = tasks_.empty() || bytes_ + task.bytes <= bounds_.bytes_max;
    if (tasks_.size() >= bounds_.tasks_max || !room) return Offer::full;
    bytes_ += task.bytes;
    tasks_.push_back(std::move(task));
    worth_it = tasks_.size() >= bounds_.worth_a_group;
  }
  arrived_.notify_one();
  if (worth_it) gathered_.notify_one();
  return Offer::taken;
}

/// Another writer may take everything meanwhile; then it begins anew.
void AppendQueue::gather(std::unique_lock<std::mutex>& lock) {
  do {
    arrived_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
    gathered_.wait_for(lock, bounds_.gather, [this] {
      return closed_ || under_way_.empty() || tasks_.size() >= bounds_.worth_a_group;
    });
  } while (!closed_ && tasks_.empty());
}

AppendQueue::Group AppendQueue::take() {
  Group group;
  std::unique_lock lock(mutex_);
  gather(lock);
  std::size_t bytes = 0;
  while (!tasks_.empty() && group.tasks.size() < bounds_.group_tasks_max && bytes < bounds_.group_bytes_max) {
    bytes += tasks_.front().bytes;
    group.tasks.push_back(std::move(tasks_.front()));
    tasks_.pop_front();
  }
  bytes_ -= bytes;
  if (group.tasks.empty()) return group;
  group.number = ++groups_;
  under_way_.push_back(group.number);
  return group;
}

void AppendQueue::finished(std::uint64_t group) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(under_way_, group);
  }
  settled_.notify_all();
  gathered_.notify_one();
}

void AppendQueue::settle(Duration patience) {
  std::unique_lock lock(mutex_);
  const std::uint64_t last = groups_;
  settled_.wait_for(lock, patience, [&] {
    return std::ranges::none_of(under_way_, [&](std::uint64_t number) { return number <= last; });
  });
}

void AppendQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
  gathered_.notify_all();
}

std::size_t AppendQueue::depth() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

}  // namespace postern::relay
