#pragma once
#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "tests/bench/latency.hpp"

namespace postern::bench {

/// What one measurement found, as a line of JSON on standard output.
struct Figures {
  double seconds = 0;
  std::uint64_t bytes = 0;  ///< of bulk
  Latencies small;          ///< round trips of small requests

  std::string json();
};

/// How long, and how much at once.
struct Load {
  double seconds = 3;
  unsigned in_flight = 1;  ///< small requests at once
  unsigned streams = 0;    ///< of bulk
  std::size_t small = 1024;

  /// What was measured before this counts for nothing.
  double warm_up() const { return seconds / 5; }
};

/// Nanoseconds since some moment.
inline std::int64_t nanoseconds() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace postern::bench
