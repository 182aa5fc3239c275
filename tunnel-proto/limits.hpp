#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "tunnel-proto/window_budget.hpp"
#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {

/// Bounds of one authenticated session. What a peer may cost is the sum of these.
struct SessionLimits {
  /// Deliveries in flight. An agent grants this many and holds the relay to it. On the relay it is a hard cap
  /// on open streams, whatever the agent grants.
  std::uint32_t max_deliveries = 64;

  std::uint64_t stream_window = kInitialStreamWindow;  ///< what one stream may send before the app reads
  std::uint64_t max_stream_window = 1024 * 1024;       ///< to which a stream that is read fast may grow
  std::uint64_t session_window =
      kInitialSessionWindow;                           ///< on the wire in all, before this end has sorted it
  std::uint64_t max_session_window = 8 * 1024 * 1024;  ///< to which it may grow with the path
  /// By how much the windows of the session may have grown, all together. What it holds unread is at most
  /// this and max_deliveries × stream_window.
  std::uint64_t window_growth = 16 * 1024 * 1024;
  /// What the windows of all sessions of the process may come to; null: no bound but each session's own.
  std::shared_ptr<ByteBudget> budget;

  Duration ping_after = std::chrono::seconds(15);  ///< silent this long: PING
  Duration dead_after = std::chrono::seconds(25);  ///< silent this long: closed as "peer_silent"
  Duration write_stall =
      std::chrono::seconds(20);  ///< nothing taken by the peer this long: closed as "write_stalled"

  /// Token buckets on what a peer can make this end do for nothing. Empty: closed as "excessive_resets",
  /// "excessive_noise".
  std::uint32_t reset_burst = 100;       ///< and as many again as max_deliveries: time-outs come in flocks
  std::uint32_t resets_per_second = 20;  ///< and a quarter of max_deliveries
  std::uint32_t noise_burst = 200;       ///< pings, empty DATA, windows that open nothing, unknown frames
  std::uint32_t noise_per_second = 20;
  /// RESET frames waiting for a peer that does not read; max_deliveries where that is more.
  std::size_t max_queued_control = 512;
};

/// Bounds of a connection before and around its session.
struct ConnectionLimits {
  Duration handshake = std::chrono::seconds(5);  ///< TLS and authentication together, from start() on
  Duration enroll = std::chrono::seconds(10);  ///< join connections: from authentication to the end of ENROLL
  Duration drain = std::chrono::seconds(30);  ///< after go_away(): streams that are still open are reset then
  Duration close =
      std::chrono::seconds(2);  ///< for the last bytes (GOAWAY, AUTH_FAIL, close_notify) to leave
  SessionLimits session;
};

}  // namespace postern::tunnel
