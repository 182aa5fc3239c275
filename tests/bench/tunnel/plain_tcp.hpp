#pragma once
#include "tests/bench/tunnel/figures.hpp"

/// What is sent through other programs' tunnels: plain TCP to a server behind them. One loop.
namespace postern::bench {

/// Serves bulk and echo connections until it is killed.
int serve_tcp();
/// load.in_flight connections with one small request under way on each, or load.streams that write as fast as
/// they can; or both.
Figures load_tcp(std::uint16_t port, const Load& load);

}  // namespace postern::bench
