#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/latency.hpp"

/// Two generators of signed Stripe events over kept connections. The paced one has senders that wait for
/// their answers: it finds out what a relay takes. The open one sends when a request is due, whether or not
/// the relay keeps up. Each makes one load and uses one thread.
namespace postern::bench {

using Steady = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string path;
  std::string secret = "whsec_bench";
  unsigned connections = 64;
  double seconds = 5;
  double rate = 0;  ///< requests/s over all connections; 0: as fast as they are answered
  std::size_t size = 1024;
  bool open = false;
};

/// What came of a run. Of the open one: due = sent + missed + behind, and sent = accepted + refused + other +
/// turned_away + unanswered.
struct Totals {
  Latencies accepted_after;  ///< with a rate from when it was due: a stalled server is not forgiven its queue
  Latencies refused_after;   ///< the open one only, as all below but for the statuses
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< 429 and 503
  std::uint64_t other = 0;
  std::uint64_t due = 0;
  std::uint64_t sent = 0;
  std::uint64_t missed = 0;       ///< due, but every connection waited for its answer
  std::uint64_t behind = 0;       ///< due, but the generator itself came too late
  std::uint64_t turned_away = 0;  ///< the connection ended before an answer
  std::uint64_t unanswered = 0;   ///< some seconds after the end
  std::uint64_t connects = 0;     ///< connections opened
  double seconds = 0;             ///< until the last answer

  /// By the answer's status; returns whether it was accepted.
  bool count(std::string_view answer);
};

Totals run_paced(const Options& options);
/// `rate` is more than 0. Opens connections as they are needed, up to `connections`.
Totals run_open(const Options& options);

}  // namespace postern::bench
