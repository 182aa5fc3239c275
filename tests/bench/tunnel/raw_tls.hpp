#pragma once
#include <string>
#include <string_view>

#include "tests/bench/tunnel/figures.hpp"

/// The bare limits: TLS on blocking sockets, and nothing else. One thread a connection.
namespace postern::bench {

/// Serves bulk and echo connections until it is killed.
int serve_raw();

/// Bulk: load.streams connections that write as fast as they can, until the server has told what came.
Figures load_raw(std::uint16_t port, const std::string& pin, const Load& load);

/// Echo: load.in_flight frames of 12 + load.small bytes under way on one connection, sent back as they come:
/// what multiplexing costs when there is nothing to be done with a frame. Each frame is a write of its own,
/// or with `gather` what came together goes back together: the most that could be had.
Figures load_echo(std::uint16_t port, const std::string& pin, const Load& load, bool gather);

}  // namespace postern::bench
