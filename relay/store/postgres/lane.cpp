#include "relay/store/postgres/lane.hpp"

namespace postern::relay::pg {

Lane::Lane(const Options& options, Size size, const std::atomic<bool>& abandon) : queue_max_(size.queue_max) {
  for (std::size_t i = 0; i < size.threads; ++i) links_.push_back(std::make_unique<Link>(options, abandon));
  for (auto& link : links_) threads_.emplace_back([this, &link = *link] { run(link); });
}

Lane::~Lane() {
  stop();
}

void Lane::stop() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

Lane::Offer Lane::submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Offer::closed;
    if (tasks_.size() >= queue_max_) return Offer::full;
    tasks_.push_back(std::move(task));
  }
  arrived_.notify_one();
  return Offer::taken;
}

std::size_t Lane::depth() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

void Lane::run(Link& link) {
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task(link);
  }
}

}  // namespace postern::relay::pg
