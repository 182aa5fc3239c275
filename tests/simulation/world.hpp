#pragma once
#include <cstdint>
#include <string>

#include "tests/simulation/agent_process.hpp"
#include "tests/simulation/provider.hpp"
#include "tests/simulation/virtual_time.hpp"
#include "tests/simulation/wait_watch.hpp"

namespace postern::simulation {

/// A provider, a relay, an agent, its apps and its disk, and a network and a fate that mean them ill; then
/// peace, in which everything must come to its end.
class World {
 public:
  World(std::uint64_t seed, prometheus::Registry& metrics);
  /// Throws Violation.
  void run();

  struct Summary {
    std::size_t deliveries = 0, calls = 0, crashes = 0, cuts = 0, sleeps = 0, losses = 0, jumps = 0;
    std::uint64_t trace = 0;  ///< the scheduler's
  };
  const Summary& summary() const { return summary_; }

 private:
  void make_destinations();
  void plan_events();
  bool step(SteadyTime until);
  void peace();
  void watch();
  bool all_over() const;
  void check_end();

  // misfortunes.cpp
  void misfortune();
  void strike();
  void cut();
  void fall_silent();
  void suspend();
  void kill_agent();
  void kill_relay();
  void stop_relay();
  void lose_leases();
  void set_clock();

  void connect_soon();
  void connect();
  void start_agent();
  void start_relay();
  void start_relay_soon();

  Scheduler scheduler_;
  prometheus::Registry& metrics_;
  Witness witness_;
  SimulatedStore store_{scheduler_, witness_};
  WaitWatch waits_{scheduler_, store_};
  SimulatedDisk disk_;
  Machine relay_machine_, agent_machine_;
  LivesBy time_{relay_machine_};
  tunnel::SessionLimits relay_limits_, agent_limits_;
  std::vector<std::shared_ptr<const relay::Destination>> destinations_;
  relay::DispatcherOptions options_;
  Provider provider_;
  std::shared_ptr<RelayProcess> relay_;
  std::shared_ptr<AgentProcess> agent_;
  std::shared_ptr<Link> link_;
  bool peace_ = false;
  Summary summary_;
};

}  // namespace postern::simulation
