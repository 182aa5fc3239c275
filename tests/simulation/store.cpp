#include "tests/simulation/store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "relay/store/lease_token.hpp"

namespace postern::simulation {

using relay::DeliveryState;
using relay::LeasedDelivery;
using relay::LeaseToken;

void SimulatedStore::insert(int node, const relay::NewEvent& event,
                            std::span<const relay::Admission> admissions, Time now) {
  keys_.insert(event.event->dedupe_key);
  for (std::size_t i = 0; i < admissions.size(); ++i) {
    const relay::NewDelivery& wanted = event.deliveries[i];
    Row row;
    row.number = static_cast<std::int64_t>(rows_.size()) + 1;
    row.event = event.event;
    row.order_key = wanted.order_key;
    row.delivery.id = wanted.id;
    row.delivery.event_id = event.event->id;
    row.delivery.destination_id = wanted.destination_id;
    row.delivery.state = admissions[i].state;
    row.delivery.reason = admissions[i].reason;
    row.delivery.created_at = now;
    row.delivery.next_at = now + admissions[i].wait;
    row.inserted_at = row.leased_at = row.recorded_at = scheduler_.now();
    row.lease = admissions[i].state == DeliveryState::leased ? 1 : 0;
    row.node = row.holders[row.lease] = node;
    if (row.lease > 0 && row.order_key != relay::kNoOrder)
      throw Violation(wanted.id.to_string() + " has an order and was admitted as leased");
    rows_.emplace(wanted.id, std::move(row));
    open_rows_.insert(wanted.id);
  }
}

bool SimulatedStore::holds(const Row& row, std::uint64_t lease_token) const {
  return row.delivery.state == DeliveryState::leased &&
         LeaseToken{row.number, row.lease}.pack() == lease_token;
}

int SimulatedStore::holder(DeliveryId id, std::uint64_t lease_token) const {
  return rows_.at(id).holders.at(LeaseToken::unpack(lease_token).lease);
}

LeasedDelivery SimulatedStore::leased(DeliveryId id) const {
  const Row& row = rows_.at(id);
  LeasedDelivery leased{.delivery = row.delivery,
                        .event = row.event,
                        .lease_token = LeaseToken{row.number, row.lease}.pack(),
                        .tries = row.tries,
                        .answered = row.answered,
                        .crashes = row.crashes};
  leased.order_key = row.order_key;
  return leased;
}

LeasedDelivery SimulatedStore::lease(Row& row, int node) {
  row.delivery.state = DeliveryState::leased;
  row.delivery.reason.clear();
  ++row.lease;
  row.node = row.holders[row.lease] = node;
  row.leased_at = scheduler_.now();
  return leased(row.delivery.id);
}

std::size_t SimulatedStore::complete(std::span<const relay::Completion> completions) {
  std::size_t fenced_in = 0;
  for (const relay::Completion& it : completions) {
    Row& row = rows_.at(it.delivery_id);
    if (!holds(row, it.lease_token)) continue;
    move_on(row, it);
    ++fenced_in;
  }
  return fenced_in;
}

void SimulatedStore::move_on(Row& row, const relay::Completion& it) {
  if (it.attempt) {
    const relay::Attempt& attempt = *it.attempt;
    if (attempt.number != row.tries + 1)
      throw Violation(fmt::format("{}: attempt {} is recorded after {} tries", it.delivery_id.to_string(),
                                  attempt.number, row.tries));
    if (attempt.error_code == "internal_error") throw Violation("a fault: " + attempt.error_message);
    const int status = attempt.response_status;
    const std::string* body = attempt.response_truncated ? nullptr : &attempt.response_body;
    if (status != 0) witness_.committed(it.delivery_id, attempt.number, status, body);
    row.tries = attempt.number;
    row.delivery.attempt_count += attempt.counted ? 1 : 0;
    row.crashes = 0;
    if (status != 0) row.answered = attempt.number;
  }
  if (it.next == DeliveryState::leased)
    throw Violation(it.delivery_id.to_string() + " is completed as leased");
  if (it.next == DeliveryState::pending) row.delivery.next_at = it.next_at;
  row.recorded_at = scheduler_.now();
  move_to(row, it.next, it.reason);
}

void SimulatedStore::move_to(Row& row, DeliveryState state, std::string reason) {
  row.delivery.state = state;
  row.delivery.reason = std::move(reason);
  if (relay::is_terminal(state)) open_rows_.erase(row.delivery.id);
}

std::vector<std::uint64_t> SimulatedStore::mark_started(std::span<const relay::EventLog::Started> started) {
  std::vector<std::uint64_t> marked;
  for (const auto& it : started) {
    Row& row = rows_.at(it.delivery_id);
    if (!holds(row, it.lease_token)) continue;
    ++row.crashes;
    marked.push_back(it.lease_token);
  }
  return marked;
}

/// As the engines do it: a lease that ended with its process is a suspicion, and after too many it is the
/// end.
void SimulatedStore::release(Row& row, Time now) {
  const bool too_many = row.crashes >= relay::EventLog::kCrashesMost;
  row.crashes = std::max(row.crashes, 1U);
  ++row.lease;
  row.recorded_at = {};
  row.delivery.next_at = std::min(row.delivery.next_at, now);
  move_to(row, too_many ? DeliveryState::dead : DeliveryState::pending,
          too_many ? "worker_crashed" : "node_lost");
}

std::size_t SimulatedStore::release_dead(Time now) {
  std::size_t released = 0;
  for (auto& [id, row] : rows_) {
    if (row.delivery.state != DeliveryState::leased || row.node == living_) continue;
    release(row, now);
    ++released;
  }
  return released;
}

void SimulatedStore::release(std::span<const LeasedDelivery> doubtful, Time now) {
  for (const LeasedDelivery& it : doubtful) {
    Row& row = rows_.at(it.delivery.id);
    if (holds(row, it.lease_token)) release(row, now);
  }
}

void SimulatedStore::give_back_all(int node) {
  for (auto& [id, row] : rows_) {
    if (row.delivery.state != DeliveryState::leased || row.node != node) continue;
    ++row.lease;
    row.crashes = 0;
    move_to(row, DeliveryState::pending, "shutdown");
  }
}

}  // namespace postern::simulation
