// Runs seeds of the simulation: docs/architecture.md says of what. A seed that fails is printed and is the
// same run each time; --log shows what its relay logs.
#include <prometheus/registry.h>
#include <CLI/CLI.hpp>

#include <iostream>

#include "base/log.hpp"
#include "tests/simulation/world.hpp"

namespace {

using postern::simulation::Violation;
using postern::simulation::World;

bool holds(std::uint64_t seed, prometheus::Registry& metrics, bool loud) {
  World world(seed, metrics);
  try {
    world.run();
  } catch (const Violation& violation) {
    std::cout << fmt::format("seed {}: {}\n  again: simulate_tunnel --first {} --seeds 1\n", seed,
                             violation.what(), seed);
    return false;
  }
  const auto& it = world.summary();
  if (loud) {
    std::cout << fmt::format(
        "seed {}: {} deliveries, {} calls, {} cuts, {} crashes, {} sleeps, {} losses of leases, {} jumps of "
        "clocks, trace {:016x}\n",
        seed, it.deliveries, it.calls, it.cuts, it.crashes, it.sleeps, it.losses, it.jumps, it.trace);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1000;
  bool loud = false;
  bool logs = false;
  CLI::App app{"Relay, agent, journal and leases on a simulated network, disk and clock"};
  app.add_option("--first", first, "the first seed");
  app.add_option("--seeds", seeds, "how many");
  app.add_flag("--loud", loud, "a line for each");
  app.add_flag("--log", logs, "what the relay logs, on stderr");
  CLI11_PARSE(app, argc, argv);
  postern::log::configure(logs ? postern::log::Level::debug : postern::log::Level::error,
                          postern::log::Format::text);
  prometheus::Registry metrics;  // of all seeds: nobody reads it
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    if (!holds(seed, metrics, loud)) return 1;
  }
  std::cout << seeds << " seeds held\n";
  return 0;
}
