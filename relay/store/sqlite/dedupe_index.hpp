#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.hpp"

/// Which events hold which dedupe key, in memory: the keys are the providers' random ids, and a B-tree on
/// random keys is what makes a durable ingest slow.
namespace postern::relay {

/// Fingerprint → event row, open addressing with linear probing, 16 bytes a slot. Grows by doubling one of
/// its parts at a time, so that no single insert has to move more than a fraction of it. Entries are never
/// removed.
class FingerprintTable {
 public:
  void add(std::uint64_t fingerprint, std::int64_t row);
  /// Calls `hit(row)` for each entry of that fingerprint until it answers true; whether one did.
  template <class Hit>
  bool find(std::uint64_t fingerprint, const Hit& hit) const {
    const Part& part = parts_[part_of(fingerprint)];
    if (part.slots.empty()) return false;
    const std::size_t mask = part.slots.size() - 1;
    for (std::size_t at = fingerprint & mask; part.slots[at].row != 0; at = (at + 1) & mask) {
      if (part.slots[at].fingerprint == fingerprint && hit(part.slots[at].row)) return true;
    }
    return false;
  }
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t fingerprint = 0;
    std::int64_t row = 0;  // 0: empty; rows start at 1
  };
  struct Part {
    std::vector<Slot> slots;  // a power of two, at most three quarters used
    std::size_t used = 0;
  };
  static constexpr unsigned kPartBits = 6;
  static std::size_t part_of(std::uint64_t fingerprint) { return fingerprint >> (64 - kPartBits); }
  static void put(Part& part, Slot slot);

  std::array<Part, std::size_t{1} << kPartBits> parts_;
  std::size_t size_ = 0;
};

/// Generations of tables, one for each day on which entries expire; a day that is over is dropped whole.
/// An entry may outlive its own expiry by up to a day here: whoever asks checks the exact time on the row.
/// When there would be more than `entries_max`, the generation next to expire goes early: duplicates older
/// than that may then be taken for new ones, which costs a second delivery and never an event. One thread.
class DedupeIndex {
 public:
  explicit DedupeIndex(std::size_t entries_max) : entries_max_(entries_max) {}

  void add(std::uint64_t fingerprint, std::int64_t row, Time expires_at);
  template <class Hit>
  bool find(std::uint64_t fingerprint, const Hit& hit) const {
    for (const auto& generation : generations_) {
      if (generation.table.find(fingerprint, hit)) return true;
    }
    return false;
  }
  void expire(Time now);

  std::size_t size() const { return size_; }
  std::size_t generations() const { return generations_.size(); }
  std::uint64_t dropped_early() const { return dropped_early_; }  ///< entries that went before their time

 private:
  struct Generation {
    std::int64_t day;
    FingerprintTable table;
  };
  FingerprintTable& table_of(std::int64_t day);
  void drop_oldest();

  const std::size_t entries_max_;
  std::deque<Generation> generations_;  // by day, soonest first
  std::size_t size_ = 0;
  std::uint64_t dropped_early_ = 0;
};

}  // namespace postern::relay
