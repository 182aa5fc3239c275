#pragma once
#include <map>

#include "relay/destinations/destination.hpp"
#include "tests/simulation/event_log.hpp"

namespace postern::simulation {

/// Between the dispatcher and its driver: which attempts begin, and whether they may.
class LeaseWatch final : public relay::DestinationDriver {
 public:
  struct Facts {
    Scheduler& scheduler;
    const SimulatedStore& store;
    Witness& witness;
  };
  /// Both outlive it.
  LeaseWatch(const Facts& facts, const std::shared_ptr<SimulatedEventLog>& log,
             relay::DestinationDriver& driver)
      : facts_(facts), log_(log), driver_(driver) {}
  boost::asio::awaitable<relay::AttemptResult> attempt(relay::AttemptJob job) override;

 private:
  void check_lease(const relay::LeasedDelivery& leased);
  void check_order(const SimulatedStore::Row& row);
  void check_places(const relay::Destination& destination);

  const Facts facts_;
  const std::shared_ptr<SimulatedEventLog>& log_;
  relay::DestinationDriver& driver_;
  std::map<DestinationId, unsigned> in_flight_;
};

}  // namespace postern::simulation
