#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace postern::test {

using Steady = std::chrono::steady_clock;

/// Which way bytes go: up is from who dialled to who was dialled.
enum class Way { up, down };

/// What the network does now. Each field holds for bytes that are read or written from now on.
struct Weather {
  std::chrono::microseconds latency{};  ///< each way
  std::chrono::microseconds jitter{};   ///< up to so much more, anew for each piece; pieces never overtake
  std::uint64_t bandwidth = 0;          ///< bytes a second, each way of each connection; 0: all there is
  bool drip = false;                    ///< byte by byte, each a write of its own
  bool hole_up = false;                 ///< nothing passes this way, not even an end; what was said waits
  bool hole_down = false;
  bool mute = false;  ///< who connects is taken and joined to nobody

  bool hole(Way way) const { return way == Way::up ? hole_up : hole_down; }

  /// When a piece that was read now may leave, after one that may leave at `before`.
  template <class Engine>
  Steady::time_point due(Steady::time_point now, Steady::time_point before, Engine& engine) const {
    std::uniform_int_distribution<std::int64_t> more(0, jitter.count());
    return std::max(before, now + latency + std::chrono::microseconds(more(engine)));
  }

  /// How long `bytes` keep the line busy.
  std::chrono::nanoseconds busy(std::size_t bytes) const {
    if (bandwidth == 0) return {};
    return std::chrono::nanoseconds(bytes * 1'000'000'000ULL / bandwidth);
  }
};

}  // namespace postern::test
