#include "tests/simulation/wait_watch.hpp"

#include <fmt/format.h>

namespace postern::simulation {
namespace {

/// Two looks at the backlog (RelayProcess: 10 s), and some answers of the store.
constexpr Duration kIdleMost = std::chrono::seconds(25);
/// Of a retry beyond the budget (ReturnLine), and a little.
constexpr Duration kPutOffMost = std::chrono::minutes(11);

}  // namespace

void WaitWatch::look(const RelayProcess* relay) {
  if (relay == nullptr || relay->stopping()) return idle_since_.clear();
  for (const auto& destination : relay->destinations()) look_at(*relay, destination->id);
  check_put_off(*relay);
}

void WaitWatch::look_at(const RelayProcess& relay, DestinationId id) {
  const auto status = relay.status(id);
  const std::size_t held = leased(relay, id);
  if (relay.accounts_settled() && status.leased != held)
    throw Violation(fmt::format("{} leases are accounted for, and {} are held", status.leased, held));
  const bool open = status.breaker.state == relay::BreakerState::closed;
  if (!relay.present() || !open || relay.works_on(id) || !waits(relay, id)) {
    idle_since_.erase(id);
    return;
  }
  const SteadyTime since = idle_since_.try_emplace(id, scheduler_.now()).first->second;
  if (scheduler_.now() - since > kIdleMost)
    throw Violation(fmt::format("destination {} has something to do and does nothing", id.to_string()));
}

/// By its own number. What it leased under one that is gone is for the others to release.
std::size_t WaitWatch::leased(const RelayProcess& relay, DestinationId id) const {
  std::size_t count = 0;
  for (const DeliveryId open : store_.open_rows()) {
    const SimulatedStore::Row& row = store_.rows().at(open);
    const bool held = row.delivery.state == relay::DeliveryState::leased && row.node == relay.node();
    count += held && row.delivery.destination_id == id ? 1 : 0;
  }
  return count;
}

/// Parked, due or leased but not begun; in order only what goes first.
bool WaitWatch::waits(const RelayProcess& relay, DestinationId id) const {
  for (const DeliveryId open : store_.open_rows()) {
    const SimulatedStore::Row& row = store_.rows().at(open);
    if (row.delivery.destination_id != id) continue;
    const bool due = row.delivery.next_at <= relay.now();
    if (due || row.delivery.state != relay::DeliveryState::pending) return true;
    if (row.order_key != relay::kNoOrder) return false;
  }
  return false;
}

/// One that an earlier process left may be due by a clock that this one has never seen.
void WaitWatch::check_put_off(const RelayProcess& relay) const {
  for (const DeliveryId open : store_.open_rows()) {
    const SimulatedStore::Row& row = store_.rows().at(open);
    const bool pending = row.delivery.state == relay::DeliveryState::pending;
    if (!pending || row.recorded_at < relay.started_at() || row.delivery.next_at <= relay.now() + kPutOffMost)
      continue;
    throw Violation(
        fmt::format("{} is put off for {} s", open.to_string(),
                    std::chrono::ceil<std::chrono::seconds>(row.delivery.next_at - relay.now()).count()));
  }
}

}  // namespace postern::simulation
