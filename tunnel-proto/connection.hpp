#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/limits.hpp"
#include "tunnel-proto/messages.hpp"
#include "tunnel-proto/tls_identity.hpp"

/// A tunnel connection as its user sees it: TLS, authentication and session over one TCP socket, on one loop.
///
/// Both roles follow the same rules:
/// - One thread. Everything is called on the loop of the socket's executor, and every callback comes on it,
/// never from
///   inside a call of the user's: a connection may be used, and closed, in any of its callbacks.
/// - The connection keeps itself and its events object alive from start() until closed() has been called.
/// closed() comes
///   exactly once, whatever happens, and nothing after it; then the events object is let go.
/// - Calls after closed() do nothing, or fail with `closed`.
/// - What is called in one turn of the loop leaves in as few writes as possible.
/// - An events callback that throws is a fault: it is logged and ends that connection only.
/// Relay side: relay_connection.hpp. Agent side: agent_connection.hpp.
namespace postern::tunnel {

/// Why a connection ended. `code` is for programs:
/// - before a session: handshake_timeout, enroll_timeout, tls_failed, pin_mismatch, protocol,
/// relay_not_proven, a refusal's own code
///   (auth_failed, version, expired, revoked, busy, …), and enrolled, which is the good end of joining;
/// - in a session: drained, peer_silent, write_stalled, protocol, flow_control, excessive_resets,
/// excessive_noise;
/// - closed_by_peer, connection_lost: without a word. If the peer's GOAWAY came first, its code and message
/// stand here instead;
/// - whatever this end's close() was called with; internal_error: a fault here.
struct CloseReason {
  std::string code;
  std::string message;
  bool authenticated = false;  ///< it got as far as a session
  bool retryable = true;       ///< false: trying again with the same credential cannot help
  Duration retry_after{};      ///< the relay's wish; 0: none
};

/// What a connection needs from outside. All of it outlives every connection.
struct ConnectionEnv {
  const Clock& clock;
  Random& random;
  ConnectionLimits limits{};
};

/// Numbers for status pages; cheap.
struct ConnectionStats {
  std::uint64_t bytes_in = 0;  ///< inside TLS
  std::uint64_t bytes_out = 0;
  std::uint64_t streams = 0;  ///< opened since the start
  std::uint32_t open_streams = 0;
  std::size_t buffered = 0;  ///< received and not yet read by the user
  Duration round_trip{};     ///< smoothed; 0 until the first PONG
};

}  // namespace postern::tunnel

// For users' convenience: both roles. Rooms that need one role include that header alone.
#include "tunnel-proto/agent_connection.hpp"  // IWYU pragma: export
#include "tunnel-proto/relay_connection.hpp"  // IWYU pragma: export
