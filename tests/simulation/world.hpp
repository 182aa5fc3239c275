#pragma once
#include <cstdint>
#include <string>

#include "tests/simulation/agent_process.hpp"
#include "tests/simulation/relay_process.hpp"

namespace postern::simulation {

/// A relay, an agent, its app and its disk, and a network and a fate that mean them ill; then peace, in which
/// everything must come to its end.
class World {
 public:
  explicit World(std::uint64_t seed);
  /// Throws Violation.
  void run();

  struct Summary {
    std::size_t deliveries = 0, calls = 0, crashes = 0, cuts = 0, sleeps = 0;
    std::uint64_t trace = 0;  ///< the scheduler's
  };
  const Summary& summary() const { return summary_; }

 private:
  void misfortune();
  void cut();
  void fall_silent();
  void suspend();
  void kill_agent();
  void kill_relay();
  void connect_soon();
  void connect();
  void start_agent();
  void start_relay();
  void check_end();

  Scheduler scheduler_;
  Witness witness_;
  SimulatedStore store_;
  SimulatedDisk disk_;
  Machine relay_machine_, agent_machine_;
  tunnel::SessionLimits relay_limits_, agent_limits_;
  std::shared_ptr<RelayProcess> relay_;
  std::shared_ptr<AgentProcess> agent_;
  std::shared_ptr<Link> link_;
  bool peace_ = false;
  Summary summary_;
};

}  // namespace postern::simulation
