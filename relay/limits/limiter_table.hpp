#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/limits/gcra.hpp"

namespace postern::relay {

/// The states of many limits, by key, in bounded memory. Each shard has a lock of its own, held for about a
/// hundred nanoseconds.
///
/// A shard that is full forgets what is at rest: a burst that is whole again is what a new state would have.
/// When nothing is at rest (a flood of new keys), the one nearest to it of a few goes instead, and its key
/// gets at most one burst that it should not have had.
class LimiterTable {
 public:
  struct Entry {
    Gcra gcra;
    // What shared_limiter.hpp has yet to tell the other nodes; unused by the others.
    std::int32_t untold = 0;
    bool listed = false;   ///< in the list of keys with something to tell
    bool telling = false;  ///< told, and not answered yet
    SteadyTime untold_since{};
    Pace pace{};  ///< it was last asked with

    /// Call before asking. A limit that was changed starts with nothing left rather than with what the old
    /// one's burst would still cost: who raises a limit does it for senders that are being refused.
    void adopt(const Pace& next, SteadyTime now) {
      if (pace == next) return;
      pace = next;
      gcra.lower(now + next.tolerance());
    }
  };

  explicit LimiterTable(std::size_t keys_most, std::size_t shards = 16);

  /// Calls `use` with the key's state, a new one if there is none, under its shard's lock.
  template <class Use>
  auto use(std::string_view key, SteadyTime now, Use&& with) {
    Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    return with(find_or_make(shard, key, now));
  }
  /// Calls `use` only if there is a state; else a default-made answer of the same type.
  template <class Use>
  auto look(std::string_view key, Use&& with) {
    Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(key);
    using Answer = decltype(with(found->second));
    if (found == shard.entries.end()) return Answer();
    return with(found->second);
  }

  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;
  struct Shard {
    std::mutex mutex;
    Entries entries;
    SteadyTime swept{};  ///< when everything at rest was last forgotten
  };

  Shard& shard_of(std::string_view key);
  Entry& find_or_make(Shard& shard, std::string_view key, SteadyTime now);
  void make_room(Shard& shard, SteadyTime now);

  const std::size_t shard_most_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace postern::relay
