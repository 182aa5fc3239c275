#include "agent/journal.hpp"

#include <boost/crc.hpp>

#include "tunnel-proto/big_endian.hpp"

namespace postern::agent {
namespace {

using tunnel::append_u32;
using tunnel::read_u32;

enum Type : std::uint8_t { kKept = 1, kDone = 2 };
constexpr std::size_t kRecordHead = 9;
constexpr std::size_t kPayloadMost =
    std::size_t{1024} * 1024;  // a head of 80 KiB and a body of 64 KiB fit well
constexpr std::size_t kIdleFile = std::size_t{64} * 1024;
constexpr std::size_t kSmallFile = std::size_t{4} * 1024 * 1024;

std::uint32_t checksum(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string record_of(Type type, std::string_view payload) {
  std::string record;
  record.reserve(kRecordHead + payload.size());
  record.push_back(static_cast<char>(type));
  append_u32(record, static_cast<std::uint32_t>(payload.size()));
  append_u32(record, checksum(payload));
  return record.append(payload);
}

struct Kept {
  DeliveryId id;
  std::uint32_t attempt = 0;
  std::string_view head, body;
};

std::optional<Kept> kept_in(std::string_view payload) {
  if (payload.size() < 24) return std::nullopt;
  const auto id = DeliveryId::from_bytes(payload.substr(0, 16));
  const std::uint32_t head = read_u32(payload.substr(20));
  if (!id || head > payload.size() - 24) return std::nullopt;
  return Kept{*id, read_u32(payload.substr(16)), payload.substr(24, head), payload.substr(24 + head)};
}

/// A call that nobody knows the end of is not answered for another attempt: that one is to call again.
bool answers(std::uint32_t attempt, tunnel::ResultOutcome outcome, const tunnel::DeliverHead& head) {
  if (attempt == head.attempt) return true;
  return outcome == tunnel::ResultOutcome::delivered && attempt > head.answered;
}

}  // namespace

std::optional<std::size_t> Journal::load(std::string_view file) {
  if (!file.starts_with(kJournalMagic)) return std::nullopt;
  std::size_t good = kJournalMagic.size();
  while (file.size() - good >= kRecordHead) {
    const std::string_view rest = file.substr(good);
    const std::size_t size = read_u32(rest.substr(1));
    if (size > kPayloadMost || size > rest.size() - kRecordHead) break;
    const std::string_view payload = rest.substr(kRecordHead, size);
    if (checksum(payload) != read_u32(rest.substr(5))) break;
    if (!apply(static_cast<std::uint8_t>(rest[0]), payload, rest.substr(0, kRecordHead + size))) break;
    good += kRecordHead + size;
  }
  return good;
}

bool Journal::apply(std::uint8_t type, std::string_view payload, std::string_view record) {
  if (type == kKept) {
    const auto kept = kept_in(payload);
    if (!kept || !tunnel::decode_result(kept->head)) return false;
    put(kept->id, kept->attempt, std::string(record));
    return true;
  }
  const auto id =
      type == kDone && payload.size() == 20 ? DeliveryId::from_bytes(payload.substr(0, 16)) : std::nullopt;
  if (id) drop({*id, read_u32(payload.substr(16))});
  return id.has_value();
}

std::string Journal::keep(DeliveryId id, const Outcome& outcome) {
  const auto head = tunnel::encode(outcome.head);
  if (!head || outcome.head.outcome == tunnel::ResultOutcome::not_sent) return {};
  std::string payload(id.bytes());
  append_u32(payload, outcome.attempt);
  append_u32(payload, static_cast<std::uint32_t>(head->size()));
  payload += *head;
  payload += outcome.body;
  if (payload.size() > kPayloadMost || payload.size() + kRecordHead > limits_.bytes) return {};
  std::string record = record_of(kKept, payload);
  put(id, outcome.attempt, record);
  return record;
}

void Journal::put(DeliveryId id, std::uint32_t attempt, std::string record) {
  if (const auto found = by_id_.find(id); found != by_id_.end()) drop(found->second);
  bytes_ += record.size();
  by_age_.push_back({id, attempt, std::move(record)});
  by_id_[id] = std::prev(by_age_.end());
  while (by_age_.size() > limits_.entries || bytes_ > limits_.bytes) {
    drop(by_age_.begin());
    ++evicted_;
  }
}

std::string Journal::forget(std::span<const tunnel::ResultAck> acks) {
  std::string records;
  for (const tunnel::ResultAck& ack : acks) {
    if (!drop(ack)) continue;
    std::string payload(ack.delivery_id.bytes());
    append_u32(payload, ack.attempt);
    records += record_of(kDone, payload);
  }
  return records;
}

void Journal::add(const Journal& later) {
  for (const Entry& entry : later.by_age_) {
    const auto found = by_id_.find(entry.id);
    if (found == by_id_.end() || found->second->attempt < entry.attempt)
      put(entry.id, entry.attempt, entry.record);
  }
}

bool Journal::drop(const tunnel::ResultAck& ack) {
  const auto found = by_id_.find(ack.delivery_id);
  if (found == by_id_.end() || found->second->attempt > ack.attempt) return false;
  drop(found->second);
  return true;
}

void Journal::drop(Entries::iterator entry) {
  bytes_ -= entry->record.size();
  by_id_.erase(entry->id);
  by_age_.erase(entry);
}

std::optional<Outcome> Journal::answer_for(const tunnel::DeliverHead& head) const {
  const auto found = by_id_.find(head.delivery_id);
  if (found == by_id_.end()) return std::nullopt;
  const auto kept = kept_in(std::string_view(found->second->record).substr(kRecordHead));
  auto result = kept ? tunnel::decode_result(kept->head) : fail("lost", "");
  if (!result || !answers(kept->attempt, result->outcome, head)) return std::nullopt;
  return Outcome{kept->attempt, std::move(*result), std::string(kept->body)};
}

std::string Journal::rewritten() const {
  std::string file(kJournalMagic);
  file.reserve(file.size() + bytes_);
  for (const Entry& entry : by_age_) file += entry.record;
  return file;
}

bool Journal::worth_rewriting(std::size_t file_size) const {
  // Answers of apps do not stay on the disk for longer than they are needed for.
  if (by_age_.empty()) return file_size > kIdleFile;
  return file_size > kSmallFile && file_size > 2 * bytes_;
}

}  // namespace postern::agent
