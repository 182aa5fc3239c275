#include "relay/delivery/admission_desk.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

std::size_t minus(std::size_t from, std::size_t what) {
  return from > what ? from - what : 0;
}

}  // namespace

Admission AdmissionDesk::admit(DestinationId destination, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) {
    spills_.any = spills_.unknown = true;
    return {DeliveryState::pending, {}};
  }
  Entry& entry = found->second;
  if (entry.first_wait > Duration::zero()) {
    spills_.any = spills_.delayed = true;
    return {DeliveryState::pending, {}, entry.first_wait};
  }
  if (closed_ || entry.mode != QueueMode::direct) return spill(entry);
  if (!has_room(entry, bytes)) {
    entry.mode = QueueMode::draining;
    spills_.overflowed.push_back(destination);
    return spill(entry);
  }
  ++entry.count;
  ++count_;
  entry.bytes += bytes;
  bytes_ += bytes;
  return {DeliveryState::leased, {}};
}

Admission AdmissionDesk::spill(Entry& entry) {
  ++entry.spilled;
  spills_.any = true;
  if (entry.mode == QueueMode::away) return {DeliveryState::parked, "agent_away"};
  if (entry.mode == QueueMode::disabled) return {DeliveryState::parked, "destination_disabled"};
  return {DeliveryState::pending, {}};
}

bool AdmissionDesk::has_room(const Entry& entry, std::size_t bytes) const {
  if (entry.count == 0) return true;  // one each is always fine: bounded by the number of destinations
  return entry.count < limits_.deliveries_each && entry.count < minus(limits_.deliveries, count_) &&
         entry.bytes + bytes <= minus(limits_.bytes, bytes_);
}

void AdmissionDesk::add(DestinationId destination, QueueMode mode, std::shared_ptr<QueueGauges> gauges) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[destination];
  entry.mode = mode;
  entry.gauges = std::move(gauges);
}

void AdmissionDesk::remove(DestinationId destination) {
  const std::lock_guard lock(mutex_);
  entries_.erase(destination);
}

void AdmissionDesk::set_mode(DestinationId destination, QueueMode mode) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found != entries_.end()) found->second.mode = mode;
}

void AdmissionDesk::set_first_wait(DestinationId destination, Duration wait) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found != entries_.end()) found->second.first_wait = wait;
}

void AdmissionDesk::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

std::uint64_t AdmissionDesk::spilled(DestinationId destination) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  return found == entries_.end() ? 0 : found->second.spilled;
}

bool AdmissionDesk::open(DestinationId destination, std::uint64_t mark) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) return true;
  found->second.mode = QueueMode::direct;
  return found->second.spilled == mark;
}

std::size_t AdmissionDesk::room(const Entry* entry, std::size_t bytes_each) const {
  const std::size_t count = entry == nullptr ? 0 : entry->count;
  const std::size_t bytes = entry == nullptr ? 0 : entry->bytes;
  const std::size_t most = std::min(limits_.deliveries_each, minus(limits_.deliveries, count_));
  const std::size_t by_bytes =
      minus(minus(limits_.bytes, bytes_), bytes) / std::max<std::size_t>(bytes_each, 1);
  return std::min(minus(most, count), by_bytes);
}

std::size_t AdmissionDesk::reserve(DestinationId destination, std::size_t want, std::size_t bytes_each,
                                   std::size_t least) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) return 0;
  Entry& entry = found->second;
  if (entry.count == 0) least = std::max<std::size_t>(least, 1);
  const std::size_t granted = std::max(std::min(want, room(&entry, bytes_each)), least);
  entry.count += granted;
  count_ += granted;
  return granted;
}

void AdmissionDesk::unreserve(DestinationId destination, std::size_t count) {
  const std::lock_guard lock(mutex_);
  count_ = minus(count_, count);
  const auto found = entries_.find(destination);
  if (found != entries_.end()) found->second.count = minus(found->second.count, count);
}

std::size_t AdmissionDesk::reserve_any(std::size_t want, std::size_t bytes_each) {
  const std::lock_guard lock(mutex_);
  const std::size_t granted = std::min(want, room(nullptr, bytes_each));
  count_ += granted;
  return granted;
}

void AdmissionDesk::unreserve_any(std::size_t count) {
  const std::lock_guard lock(mutex_);
  count_ = minus(count_, count);
}

void AdmissionDesk::attribute(DestinationId destination, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  const auto found = entries_.find(destination);
  if (found == entries_.end()) return;
  ++found->second.count;
  found->second.bytes += bytes;
}

void AdmissionDesk::charge(DestinationId destination, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  const auto found = entries_.find(destination);
  if (found != entries_.end()) found->second.bytes += bytes;
}

void AdmissionDesk::release(std::span<const LeaseEnd> ended) {
  const std::lock_guard lock(mutex_);
  for (const LeaseEnd& end : ended) {
    count_ = minus(count_, 1);
    bytes_ = minus(bytes_, end.bytes);
    const auto found = entries_.find(end.destination_id);
    if (found == entries_.end()) continue;
    found->second.count = minus(found->second.count, 1);
    found->second.bytes = minus(found->second.bytes, end.bytes);
  }
}

AdmissionDesk::Spills AdmissionDesk::take_spills() {
  const std::lock_guard lock(mutex_);
  return std::exchange(spills_, {});
}

std::optional<AdmissionDesk::View> AdmissionDesk::view(DestinationId destination) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) return std::nullopt;
  return View{found->second.mode, found->second.count, found->second.gauges};
}

std::size_t AdmissionDesk::leased() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

}  // namespace postern::relay
