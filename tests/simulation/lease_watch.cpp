#include "tests/simulation/lease_watch.hpp"

#include <fmt/format.h>

namespace postern::simulation {

boost::asio::awaitable<relay::AttemptResult> LeaseWatch::attempt(relay::AttemptJob job) {
  const DestinationId id = job.destination->id;
  ++in_flight_[id];
  check_places(*job.destination);
  check_lease(job.leased);
  log_->begun(job.leased);
  auto work = driver_.attempt(std::move(job));
  auto result = co_await std::move(work);
  --in_flight_[id];
  co_return result;
}

void LeaseWatch::check_places(const relay::Destination& destination) {
  const bool ordered = destination.ordering == relay::Ordering::destination;
  const unsigned most = ordered ? 1 : destination.concurrency;
  if (in_flight_[destination.id] > most)
    facts_.witness.accuse(
        fmt::format("{} attempts at once where {} are allowed", in_flight_[destination.id], most));
}

/// It may have lost its lease a moment ago. Once its process has been told, nothing may begin that was leased
/// under an earlier number, whoever has it now.
void LeaseWatch::check_lease(const relay::LeasedDelivery& leased) {
  const DeliveryId id = leased.delivery.id;
  if (!log_->holds_leases()) facts_.witness.accuse(id.to_string() + " is tried though the lease may be lost");
  const auto told = log_->told_of_loss_at();
  const bool gone = facts_.store.holder(id, leased.lease_token) != log_->node();
  if (gone && told && facts_.scheduler.now() > *told)
    facts_.witness.accuse(id.to_string() + " is tried under a lease of a number that is gone");
  const SimulatedStore::Row& row = facts_.store.rows().at(id);
  if (facts_.store.holds(row, leased.lease_token)) check_order(row);
}

/// In order nothing begins before all in front of it have ended, as far as the store knew of them when it was
/// leased. One whose app said yes has ended, and is about to be recorded.
void LeaseWatch::check_order(const SimulatedStore::Row& row) {
  if (row.order_key == relay::kNoOrder) return;
  for (const auto& [id, earlier] : facts_.store.rows()) {
    if (id >= row.delivery.id) return;
    const bool same = earlier.delivery.destination_id == row.delivery.destination_id;
    if (!same || relay::is_terminal(earlier.delivery.state) || earlier.inserted_at >= row.leased_at) continue;
    if (!facts_.witness.saw_success(id))
      facts_.witness.accuse(
          fmt::format("{} begins before {} has ended", row.delivery.id.to_string(), id.to_string()));
  }
}

}  // namespace postern::simulation
