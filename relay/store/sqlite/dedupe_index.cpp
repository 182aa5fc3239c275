#include "relay/store/sqlite/dedupe_index.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

std::int64_t day_of(Time time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

}  // namespace

void FingerprintTable::put(Part& part, Slot slot) {
  const std::size_t mask = part.slots.size() - 1;
  std::size_t at = slot.fingerprint & mask;
  while (part.slots[at].row != 0) at = (at + 1) & mask;
  part.slots[at] = slot;
}

void FingerprintTable::add(std::uint64_t fingerprint, std::int64_t row) {
  Part& part = parts_[part_of(fingerprint)];
  if ((part.used + 1) * 4 > part.slots.size() * 3) {
    Part larger;
    larger.slots.resize(std::max<std::size_t>(16, part.slots.size() * 2));
    larger.used = part.used;
    for (const Slot& slot : part.slots) {
      if (slot.row != 0) put(larger, slot);
    }
    part = std::move(larger);
  }
  put(part, {fingerprint, row});
  ++part.used;
  ++size_;
}

FingerprintTable& DedupeIndex::table_of(std::int64_t day) {
  // Nearly always one of the last two: windows are alike and time moves on.
  auto at = generations_.end();
  while (at != generations_.begin() && std::prev(at)->day >= day) --at;
  if (at == generations_.end() || at->day != day) at = generations_.emplace(at, Generation{day, {}});
  return at->table;
}

void DedupeIndex::add(std::uint64_t fingerprint, std::int64_t row, Time expires_at) {
  while (size_ >= entries_max_ && !generations_.empty()) {
    dropped_early_ += generations_.front().table.size();
    drop_oldest();
  }
  table_of(day_of(expires_at)).add(fingerprint, row);
  ++size_;
}

void DedupeIndex::expire(Time now) {
  const std::int64_t today = day_of(now);
  while (!generations_.empty() && generations_.front().day < today) drop_oldest();
}

void DedupeIndex::drop_oldest() {
  size_ -= generations_.front().table.size();
  generations_.pop_front();
}

}  // namespace postern::relay
