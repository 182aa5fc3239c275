#pragma once
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tunnel-proto/messages.hpp"

/// What came of deliveries, kept until the relay has committed it (SPEC.md, section 7): the reason why an app
/// is called once for a delivery that comes again. Bytes in, bytes out: a Disk keeps them. No I/O.
///
/// The file: kJournalMagic, then records of `type u8 | length u32 | CRC-32 of what follows u32 | payload`,
/// big endian. Kept: id 16, attempt u32, length of the head u32, the head as RESULT carries it, the body.
/// Done with: id 16, attempt u32. Whatever is not whole at the end, or is damaged, and all after it, counts
/// as never written.
namespace postern::agent {

inline constexpr std::string_view kJournalMagic = "PSTJRNL1";

/// An outcome to tell again.
struct Outcome {
  std::uint32_t attempt = 0;  ///< that came to it
  tunnel::ResultHead head;
  std::string body;
};

class Journal {
 public:
  struct Limits {
    std::size_t entries = 10'000;
    std::size_t bytes = std::size_t{64} * 1024 * 1024;  ///< of records
  };
  explicit Journal(Limits limits) : limits_(limits) {}

  /// What a file holds; once, before anything else. Returns how many of its bytes are good: the rest is to be
  /// cut off. nullopt when it is no journal.
  std::optional<std::size_t> load(std::string_view file);

  /// Keeps an outcome of the delivery, in place of an earlier one. Returns what is to be appended to the
  /// file; empty for one that is too large to keep, or does not need it. The oldest make room.
  std::string keep(DeliveryId id, const Outcome& outcome);
  /// The relay has committed these. Returns what is to be appended.
  std::string forget(std::span<const tunnel::ResultAck> acks);

  /// What `later` keeps and this one does not, or has of an earlier attempt only.
  void add(const Journal& later);

  /// What answers this request without calling the app.
  std::optional<Outcome> answer_for(const tunnel::DeliverHead& head) const;

  /// The whole file anew, with what is kept and nothing else.
  std::string rewritten() const;
  /// Most of a file of that size is of no more use.
  bool worth_rewriting(std::size_t file_size) const;

  std::size_t entries() const { return by_age_.size(); }
  std::size_t bytes() const { return bytes_; }
  const Limits& limits() const { return limits_; }
  std::uint64_t evicted() const { return evicted_; }  ///< since the start: not committed, and not kept

 private:
  struct Entry {
    DeliveryId id;
    std::uint32_t attempt = 0;
    std::string record;
  };
  using Entries = std::list<Entry>;  // oldest first

  bool apply(std::uint8_t type, std::string_view payload, std::string_view record);
  void put(DeliveryId id, std::uint32_t attempt, std::string record);
  bool drop(const tunnel::ResultAck& ack);
  void drop(Entries::iterator entry);

  Limits limits_;
  Entries by_age_;
  std::unordered_map<DeliveryId, Entries::iterator> by_id_;
  std::size_t bytes_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace postern::agent
