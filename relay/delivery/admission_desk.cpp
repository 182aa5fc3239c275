#include "relay/delivery/admission_desk.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

std::size_t minus(std::size_t from, std::size_t what) {
  return from > what ? from - what : 0;
}

// A workspace may hold this many times what is still free.
constexpr std::size_t kWorkspaceShare = 3;
// Beyond that its destinations may still have one each, while more than this part of everything is free.
constexpr std::size_t kOneEach = 8;

}  // namespace

Admission AdmissionDesk::admit(DestinationId destination, std::size_t bytes, OrderKey order) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) {
    spills_.any = spills_.unknown = true;
    return {DeliveryState::pending, {}};
  }
  Entry& entry = found->second;
  if (order != kNoOrder) return spill_in_order(destination, entry);
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
  book(entry, 1, bytes);
  return {DeliveryState::leased, {}, {}, term_};
}

Admission AdmissionDesk::spill(Entry& entry) {
  ++entry.spilled;
  spills_.any = true;
  if (is_running(entry.mode)) return {DeliveryState::pending, {}};
  return {DeliveryState::parked, std::string(parking_reason(entry.mode))};
}

// Claims along the keys see them whenever they come: what else was committed without a lease is not touched
// by it.
Admission AdmissionDesk::spill_in_order(DestinationId destination, const Entry& entry) {
  spills_.any = true;
  if (!is_running(entry.mode) && entry.first_wait <= Duration::zero())
    return {DeliveryState::parked, std::string(parking_reason(entry.mode))};
  spills_.in_order.insert(destination);
  return {DeliveryState::pending, {}, entry.first_wait};
}

bool AdmissionDesk::has_room(const Entry& entry, std::size_t bytes) const {
  if (entry.count == 0) return may_have_one(entry);
  return entry.count < limits_.deliveries_each && entry.count < minus(limits_.deliveries, count_) &&
         entry.bytes + bytes <= minus(limits_.bytes, bytes_) && workspace_has_room(entry);
}

// Whatever its size, or it could never be delivered. A workspace with more destinations than there is room,
// all of them holding one, would leave nothing to others: the last eighth is not for it.
bool AdmissionDesk::may_have_one(const Entry& entry) const {
  if (workspace_has_room(entry)) return true;
  return minus(limits_.deliveries, count_) > limits_.deliveries / kOneEach &&
         minus(limits_.bytes, bytes_) > limits_.bytes / kOneEach;
}

bool AdmissionDesk::workspace_has_room(const Entry& entry) const {
  const auto held = workspaces_.find(entry.workspace);
  if (held == workspaces_.end()) return true;
  return held->second.count < kWorkspaceShare * minus(limits_.deliveries, count_) &&
         held->second.bytes < kWorkspaceShare * minus(limits_.bytes, bytes_);
}

void AdmissionDesk::book(Entry& entry, std::size_t count, std::size_t bytes) {
  Account& workspace = workspaces_[entry.workspace];
  for (auto* number : {&entry.count, &workspace.count, &count_}) *number += count;
  for (auto* number : {&entry.bytes, &workspace.bytes, &bytes_}) *number += bytes;
}

void AdmissionDesk::unbook(Entry& entry, std::size_t count, std::size_t bytes) {
  const auto held = workspaces_.find(entry.workspace);
  if (held != workspaces_.end()) {
    Account& workspace = held->second;
    workspace.count = minus(workspace.count, count);
    workspace.bytes = minus(workspace.bytes, bytes);
    if (workspace.count == 0) workspaces_.erase(held);
  }
  entry.count = minus(entry.count, count);
  entry.bytes = minus(entry.bytes, bytes);
  count_ = minus(count_, count);
  bytes_ = minus(bytes_, bytes);
}

void AdmissionDesk::add(DestinationId destination, QueueMode mode, std::shared_ptr<QueueGauges> gauges,
                        WorkspaceId workspace) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[destination];
  entry.mode = mode;
  entry.workspace = workspace;
  entry.gauges = std::move(gauges);
}

void AdmissionDesk::remove(DestinationId destination) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found == entries_.end()) return;
  // What it holds ends later, when nobody knows any more whose it was.
  const auto held = workspaces_.find(found->second.workspace);
  if (held != workspaces_.end()) {
    held->second.count = minus(held->second.count, found->second.count);
    held->second.bytes = minus(held->second.bytes, found->second.bytes);
    if (held->second.count == 0) workspaces_.erase(held);
  }
  entries_.erase(found);
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

void AdmissionDesk::begin_term() {
  const std::lock_guard lock(mutex_);
  ++term_;
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
  if (entry != nullptr && !workspace_has_room(*entry)) return 0;
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
  if (entry.count == 0 && may_have_one(entry)) least = std::max<std::size_t>(least, 1);
  const std::size_t granted = std::max(std::min(want, room(&entry, bytes_each)), least);
  if (granted > 0) book(entry, granted, 0);
  return granted;
}

void AdmissionDesk::unreserve(DestinationId destination, std::size_t count) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found != entries_.end()) return unbook(found->second, count, 0);
  count_ = minus(count_, count);
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
  const auto found = entries_.find(destination);
  if (found == entries_.end()) {
    bytes_ += bytes;
    return;
  }
  book(found->second, 1, bytes);
  --count_;  // reserve_any() has counted it
}

void AdmissionDesk::charge(DestinationId destination, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(destination);
  if (found != entries_.end() && found->second.count > 0) return book(found->second, 0, bytes);
  bytes_ += bytes;
}

void AdmissionDesk::release(std::span<const LeaseEnd> ended) {
  const std::lock_guard lock(mutex_);
  for (const LeaseEnd& end : ended) {
    const auto found = entries_.find(end.destination_id);
    if (found != entries_.end()) {
      unbook(found->second, 1, end.bytes);
      continue;
    }
    count_ = minus(count_, 1);
    bytes_ = minus(bytes_, end.bytes);
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
