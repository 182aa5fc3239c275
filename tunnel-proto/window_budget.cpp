#include "tunnel-proto/window_budget.hpp"

#include <algorithm>

namespace postern::tunnel {

bool ByteBudget::take(std::uint64_t bytes) {
  std::uint64_t taken = taken_.load(std::memory_order_relaxed);
  do {
    if (taken > total_ || bytes > total_ - taken) return false;
  } while (!taken_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed));
  return true;
}

WindowBudget::~WindowBudget() {
  if (shared_) shared_->give(held_);
}

void WindowBudget::open(std::uint64_t first) {
  held_ += first;
  if (shared_) shared_->owe(first);
}

void WindowBudget::close(std::uint64_t first, std::uint64_t window) {
  growth_left_ += window - first;
  held_ -= window;
  if (shared_) shared_->give(window);
}

void WindowBudget::grow(ReceiveWindow& window, std::uint64_t most) {
  const std::uint64_t wider = std::min(window.window() * 2, most);
  if (wider <= window.window()) return;
  const std::uint64_t more = wider - window.window();
  if (more > growth_left_ || (shared_ && !shared_->take(more))) return;
  growth_left_ -= more;
  held_ += more;
  window.resize(wider);
}

void WindowBudget::shrink(ReceiveWindow& window, std::uint64_t first) {
  if (window.window() <= first) return;
  close(0, window.window() - first);
  window.resize(first);
}

}  // namespace postern::tunnel
