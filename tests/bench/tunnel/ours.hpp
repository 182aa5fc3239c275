#pragma once
#include "tests/bench/tunnel/figures.hpp"

/// The tunnel's real ends, a process each: the relay's makes deliveries, the agent's answers them itself.
namespace postern::bench {

/// Waits for one agent, loads the tunnel, and tells what came of it.
int measure_relay_end(const Load& load);
/// Answers every delivery when its body has come whole: 1 KiB to a small one, nothing to a large one.
int serve_agent_end(std::uint16_t port, const std::string& pin);

}  // namespace postern::bench
