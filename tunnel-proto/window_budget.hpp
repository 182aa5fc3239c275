#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "tunnel-proto/flow.hpp"

namespace postern::tunnel {

/// Bytes that the windows of all sessions of a process may promise together. Sessions live on several loops:
/// safe from any thread, and never waited for.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t total) : total_(total) {}

  /// All of it or nothing.
  bool take(std::uint64_t bytes);
  /// Also beyond the total: for what cannot be refused. Then nobody gets any more until it is back.
  void owe(std::uint64_t bytes) { taken_.fetch_add(bytes, std::memory_order_relaxed); }
  void give(std::uint64_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t total_;
  std::atomic<std::uint64_t> taken_ = 0;
};

/// What the windows of one session cost, of its own budget and of the process's. Gives all of it back at its
/// end. Null for `shared`: the session's own alone counts.
class WindowBudget {
 public:
  WindowBudget(std::uint64_t growth, std::shared_ptr<ByteBudget> shared)
      : growth_left_(growth), shared_(std::move(shared)) {}
  ~WindowBudget();
  WindowBudget(const WindowBudget&) = delete;
  WindowBudget& operator=(const WindowBudget&) = delete;

  void open(std::uint64_t first);  ///< a stream, with its first window
  void close(std::uint64_t first, std::uint64_t window);
  /// Doubles the window, to `most` at the most, if both budgets have that much left.
  void grow(ReceiveWindow& window, std::uint64_t most);
  /// Back to its first size; what the peer has been promised already stays so.
  void shrink(ReceiveWindow& window, std::uint64_t first);

 private:
  std::uint64_t growth_left_;
  std::uint64_t held_ = 0;  // of the shared one
  std::shared_ptr<ByteBudget> shared_;
};

}  // namespace postern::tunnel
