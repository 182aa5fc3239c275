#include "base/http/pool.hpp"

namespace postern::http {

namespace {

constexpr std::size_t kMostIdle = 1024;

}  // namespace

Pool::Pool(std::shared_ptr<Watchdog> watchdog, std::size_t per_key, Duration idle_time)
    : watchdog_(std::move(watchdog)), per_key_(per_key), idle_time_(idle_time) {
  watchdog_->add(*this);
}

std::unique_ptr<Stream> Pool::take(const Key& key) {
  const auto found = idle_.find(key);
  if (found == idle_.end()) return nullptr;
  const SteadyTime now = steady_now();
  auto& waiting = found->second;
  while (!waiting.empty()) {
    Idle idle = std::move(waiting.back());
    waiting.pop_back();
    --count_;
    if (now - idle.since < idle_time_ && idle.stream->is_quiet()) return std::move(idle.stream);
  }
  return nullptr;
}

void Pool::keep(const Key& key, std::unique_ptr<Stream> stream) {
  if (count_ >= kMostIdle || per_key_ == 0) return;
  auto& waiting = idle_[key];
  if (waiting.size() >= per_key_) return;
  const SteadyTime now = steady_now();
  waiting.push_back({std::move(stream), now});
  if (++count_ == 1) watchdog_->set(*this, now + idle_time_);
}

void Pool::expired(SteadyTime now) {
  SteadyTime oldest = Watchdog::never;
  for (auto at = idle_.begin(); at != idle_.end();) {
    auto& waiting = at->second;
    const auto old = [&](const Idle& idle) { return now - idle.since >= idle_time_; };
    const auto fresh = std::find_if_not(waiting.begin(), waiting.end(), old);
    count_ -= static_cast<std::size_t>(fresh - waiting.begin());
    waiting.erase(waiting.begin(), fresh);
    if (!waiting.empty()) oldest = std::min(oldest, waiting.front().since);
    at = waiting.empty() ? idle_.erase(at) : std::next(at);
  }
  if (oldest != Watchdog::never) watchdog_->set(*this, oldest + idle_time_);
}

}  // namespace postern::http
