#pragma once
#include <memory>
#include <string>
#include <vector>

#include "relay/delivery/dispatcher.hpp"
#include "relay/destinations/agent_destination.hpp"
#include "relay/store/catalog.hpp"
#include "tests/simulation/event_log.hpp"
#include "tests/simulation/hub.hpp"
#include "tests/simulation/lease_watch.hpp"
#include "tests/simulation/loop.hpp"

namespace prometheus {
class Registry;
}

namespace postern::simulation {

/// What a provider sends: one event for one destination.
struct Sent {
  std::string key;  ///< by which a repetition is known
  std::shared_ptr<const relay::Destination> destination;
  std::size_t size = 0;
};

/// The relay's process: the program's dispatcher and its driver for agents on a loop in virtual time; hub,
/// store, network and clock are simulated.
class RelayProcess : public std::enable_shared_from_this<RelayProcess> {
 public:
  struct Surroundings {
    Scheduler& scheduler;
    Machine& machine;
    SimulatedStore& store;
    Witness& witness;
    prometheus::Registry& metrics;
    std::vector<std::shared_ptr<const relay::Destination>> destinations;
    relay::DispatcherOptions options;
  };
  explicit RelayProcess(const Surroundings& around);
  void start();  ///< what an earlier process had leased is pending again

  /// `done` once it is committed; perhaps never.
  void ingest(const Sent& sent, DeliveryId id, std::function<void()> done);
  void connected(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Link>& link);
  /// The polite end; `done` when it may die.
  void stop(std::function<void()> done);
  void lose_leases() { log_->lose_leases(); }
  void kick() { dispatcher_->kick_all(); }
  void die();
  void poll() { loop_->poll(); }

  // For WaitWatch.
  const std::vector<std::shared_ptr<const relay::Destination>>& destinations() const {
    return around_.destinations;
  }
  relay::Dispatcher::Status status(DestinationId id) const {
    return dispatcher_->status(id).value_or(relay::Dispatcher::Status{});
  }
  bool present() const { return hub_.present({}); }
  bool stopping() const { return stopping_; }
  bool accounts_settled() const { return log_->settled(); }
  int node() const { return log_->node(); }
  bool works_on(DestinationId id) const { return log_->works_on(id); }
  Time now() const { return schedule_.now(); }  ///< by which its deliveries are due
  SteadyTime started_at() const { return started_at_; }

 private:
  Surroundings around_;
  MachineClock clock_;
  ForwardClock schedule_;
  std::shared_ptr<Loop> loop_;
  relay::CatalogHolder catalog_;
  SimulatedHub hub_;
  relay::AgentDestination driver_;
  std::shared_ptr<SimulatedEventLog> log_;
  LeaseWatch watched_driver_;
  std::unique_ptr<relay::Dispatcher> dispatcher_;
  const SteadyTime started_at_;
  bool stopping_ = false;
};

}  // namespace postern::simulation
