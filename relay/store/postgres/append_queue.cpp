#include "relay/store/postgres/append_queue.hpp"

#include <algorithm>

namespace postern::relay {

AppendQueue::Offer AppendQueue::offer(AppendTask& task) {
  const SteadyTime now = SystemClock().steady();
  bool worth_it = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Offer::closed;
    // One always fits, however large: it was bounded where it was read.
    const bool room = tasks_.empty() || bytes_ + task.bytes <= bounds_.bytes_max;
    if (tasks_.size() >= bounds_.tasks_max || !room) return Offer::full;
    bytes_ += task.bytes;
    task.since = now;
    tasks_.push_back(std::move(task));
    worth_it = is_ripe();
  }
  arrived_.notify_one();
  if (worth_it) gathered_.notify_one();
  return Offer::taken;
}

/// Another writer may take everything meanwhile; then it begins anew.
void AppendQueue::gather(std::unique_lock<std::mutex>& lock) {
  do {
    arrived_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
    gathered_.wait_for(lock, bounds_.gather, [this] { return closed_ || is_ripe(); });
  } while (!closed_ && tasks_.empty());
}

bool AppendQueue::is_ripe() const {
  if (tasks_.size() >= bounds_.worth_a_group) return true;
  if (under_way_.size() == 1 && last_group_ < bounds_.few) return !tasks_.empty();
  return under_way_.empty() && (last_group_ < bounds_.many || tasks_.size() >= last_group_);
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
  last_group_ = group.tasks.size();
  group.number = ++groups_;
  under_way_.push_back({group.number, group.tasks.front().since});
  taken_ += group.tasks.size();
  busy_.begin(SystemClock().steady());
  return group;
}

void AppendQueue::finished(std::uint64_t group) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(under_way_, [&](const UnderWay& it) { return it.number == group; });
    if (under_way_.empty()) busy_.end(SystemClock().steady());
  }
  settled_.notify_all();
  gathered_.notify_one();
}

void AppendQueue::settle(Duration patience) {
  std::unique_lock lock(mutex_);
  const std::uint64_t last = groups_;
  settled_.wait_for(lock, patience, [&] {
    return std::ranges::none_of(under_way_, [&](const UnderWay& it) { return it.number <= last; });
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

StorePressure AppendQueue::pressure() const {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = SystemClock().steady();
  const auto part = [](std::size_t of, std::size_t most) { return static_cast<unsigned>(of * 1000 / most); };
  StorePressure pressure;
  pressure.appends_waiting = tasks_.size();
  pressure.filled = std::max(part(tasks_.size(), bounds_.tasks_max), part(bytes_, bounds_.bytes_max));
  SteadyTime oldest = tasks_.empty() ? now : tasks_.front().since;
  for (const UnderWay& it : under_way_) oldest = std::min(oldest, it.oldest);
  pressure.oldest_append = now - oldest;
  pressure.appends_taken = taken_;
  pressure.busy = busy_.until(now);
  return pressure;
}

}  // namespace postern::relay
