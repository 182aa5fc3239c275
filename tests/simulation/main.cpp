// Runs seeds of the tunnel's simulation. A seed that fails is printed and is the same run each time.
#include <CLI/CLI.hpp>

#include <iostream>

#include "base/log.hpp"
#include "tests/simulation/world.hpp"

namespace {

using postern::simulation::Violation;
using postern::simulation::World;

bool holds(std::uint64_t seed, bool loud) {
  World world(seed);
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
        "seed {}: {} deliveries, {} calls, {} cuts, {} crashes, {} sleeps, trace {:016x}\n", seed,
        it.deliveries, it.calls, it.cuts, it.crashes, it.sleeps, it.trace);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1000;
  bool loud = false;
  CLI::App app{"Relay, agent, journal and leases on a simulated network, disk and clock"};
  app.add_option("--first", first, "the first seed");
  app.add_option("--seeds", seeds, "how many");
  app.add_flag("--loud", loud, "a line for each");
  CLI11_PARSE(app, argc, argv);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    if (!holds(seed, loud)) return 1;
  }
  std::cout << seeds << " seeds held\n";
  return 0;
}
