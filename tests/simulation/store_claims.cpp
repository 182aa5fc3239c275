// Who takes what waits.
#include <algorithm>

#include "tests/simulation/store.hpp"

namespace postern::simulation {

using relay::DeliveryState;
using relay::LeasedDelivery;

namespace {

std::pair<Time, std::int64_t> due_order(const SimulatedStore::Row* row) {
  return {row->delivery.next_at, row->number};
}

}  // namespace

std::vector<LeasedDelivery> SimulatedStore::lease_first(int node, Line found, std::size_t limit) {
  std::vector<LeasedDelivery> leased;
  for (Row* row : found) {
    if (leased.size() == limit) break;
    leased.push_back(lease(*row, node));
  }
  return leased;
}

std::vector<LeasedDelivery> SimulatedStore::claim_due(int node, Time now, std::size_t limit,
                                                      std::span<const DestinationId> except) {
  Line found;
  for (const DeliveryId id : open_rows_) {
    Row& row = rows_.at(id);
    const relay::Delivery& it = row.delivery;
    const bool due = it.state == DeliveryState::pending && it.next_at <= now;
    const bool wanted = std::ranges::find(except, it.destination_id) == except.end();
    if (due && wanted && row.order_key == relay::kNoOrder) found.push_back(&row);
  }
  std::ranges::sort(found, {}, due_order);
  return lease_first(node, std::move(found), limit);
}

/// Of many that are due, those due longest are taken; and all in the order in which they were made.
std::vector<LeasedDelivery> SimulatedStore::claim_waiting(int node, DestinationId destination, Time now,
                                                          std::size_t limit) {
  Line parked, due;
  for (const DeliveryId id : open_rows_) {
    Row& row = rows_.at(id);
    const relay::Delivery& it = row.delivery;
    if (it.destination_id != destination || row.order_key != relay::kNoOrder) continue;
    if (it.state == DeliveryState::parked) parked.push_back(&row);
    if (it.state == DeliveryState::pending && it.next_at <= now) due.push_back(&row);
  }
  std::ranges::sort(due, {}, due_order);
  if (due.size() > limit) due.resize(limit);
  parked.insert(parked.end(), due.begin(), due.end());
  std::ranges::sort(parked, {}, &Row::number);
  return lease_first(node, std::move(parked), limit);
}

std::map<relay::OrderKey, SimulatedStore::Line> SimulatedStore::lines(DestinationId destination,
                                                                      relay::OrderKey after) {
  std::map<relay::OrderKey, Line> lines;
  for (const DeliveryId id : open_rows_) {
    Row& row = rows_.at(id);
    if (row.delivery.destination_id == destination && row.order_key > after)
      lines[row.order_key].push_back(&row);
  }
  return lines;
}

relay::EventLog::Heads SimulatedStore::claim_heads(int node, const relay::EventLog::HeadsWanted& wanted) {
  relay::EventLog::Heads heads;
  for (const auto& [key, line] : lines(wanted.destination, wanted.after)) {
    if (heads.leased.size() == wanted.limit) break;
    take_run(node, wanted, line, heads);
    heads.seen_to = key;
  }
  if (heads.leased.size() < wanted.limit) heads.seen_to = relay::kNoOrder;
  return heads;
}

void SimulatedStore::take_run(int node, const relay::EventLog::HeadsWanted& wanted, const Line& line,
                              relay::EventLog::Heads& heads) {
  const auto is_leased = [](const Row* row) { return row->delivery.state == DeliveryState::leased; };
  if (std::ranges::any_of(line, is_leased)) return;
  std::size_t taken = 0;
  for (Row* row : line) {
    const bool due = row->delivery.state == DeliveryState::parked || row->delivery.next_at <= wanted.now;
    if (!due && taken == 0) heads.again = std::min(heads.again.value_or(Time::max()), row->delivery.next_at);
    if (!due || taken == wanted.run || heads.leased.size() == wanted.limit) return;
    heads.leased.push_back(lease(*row, node));
    if (++taken == 1 && row->tries > 0) return;
  }
}

std::optional<Time> SimulatedStore::next_due(Time now) const {
  std::optional<Time> next;
  for (const DeliveryId id : open_rows_) {
    const Row& row = rows_.at(id);
    const bool waits = row.delivery.state == DeliveryState::pending && row.delivery.next_at > now;
    if (!waits || row.order_key != relay::kNoOrder) continue;
    next = std::min(next.value_or(Time::max()), row.delivery.next_at);
  }
  return next;
}

std::vector<relay::EventLog::Backlog> SimulatedStore::backlog() const {
  std::map<DestinationId, relay::EventLog::Backlog> all;
  for (const DeliveryId id : open_rows_) {
    const Row& row = rows_.at(id);
    auto& entry = all[row.delivery.destination_id];
    entry.destination_id = row.delivery.destination_id;
    entry.in_order |= row.order_key != relay::kNoOrder;
    entry.pending += row.delivery.state == DeliveryState::pending ? 1 : 0;
    entry.parked += row.delivery.state == DeliveryState::parked ? 1 : 0;
  }
  std::vector<relay::EventLog::Backlog> listed;
  for (const auto& [id, entry] : all) {
    if (entry.pending + entry.parked > 0 || entry.in_order) listed.push_back(entry);
  }
  return listed;
}

}  // namespace postern::simulation
