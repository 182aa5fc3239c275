#include "relay/limits/limiter_table.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

/// Looking through a whole shard costs too much for each new key of a flood.
constexpr Duration kSweepEvery = std::chrono::seconds(1);
constexpr std::size_t kLookedAt = 8;

bool at_rest(const LimiterTable::Entry& entry, SteadyTime now) {
  return entry.gcra.arrival() <= now && !entry.listed && !entry.telling;
}

}  // namespace

LimiterTable::LimiterTable(std::size_t keys_most, std::size_t shards)
    : shard_most_(std::max<std::size_t>(1, keys_most / shards)) {
  for (std::size_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
}

/// The high bits, as the map of a shard goes by the low ones.
LimiterTable::Shard& LimiterTable::shard_of(std::string_view key) {
  return *shards_[(Hash()(key) >> 40) % shards_.size()];
}

LimiterTable::Entry& LimiterTable::find_or_make(Shard& shard, std::string_view key, SteadyTime now) {
  const auto found = shard.entries.find(key);
  if (found != shard.entries.end()) return found->second;
  if (shard.entries.size() >= shard_most_) make_room(shard, now);
  size_.fetch_add(1, std::memory_order_relaxed);
  return shard.entries.try_emplace(std::string(key)).first->second;
}

void LimiterTable::make_room(Shard& shard, SteadyTime now) {
  Entries& entries = shard.entries;
  const std::size_t before = entries.size();
  if (now - shard.swept >= kSweepEvery || now < shard.swept) {
    shard.swept = now;
    std::erase_if(entries, [now](const auto& entry) { return at_rest(entry.second, now); });
  }
  if (entries.size() >= shard_most_) {
    const auto last = std::next(entries.begin(), static_cast<std::ptrdiff_t>(std::min(kLookedAt, before)));
    entries.erase(std::min_element(entries.begin(), last, [](const auto& a, const auto& b) {
      return a.second.gcra.arrival() < b.second.gcra.arrival();
    }));
  }
  size_.fetch_sub(before - entries.size(), std::memory_order_relaxed);
}

}  // namespace postern::relay
