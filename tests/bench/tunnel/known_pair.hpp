#pragma once
#include <string>

#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/tls_identity.hpp"

namespace postern::bench {

/// Relay and agent of the bench know each other from the start: what they prove is measured, not how they
/// met.
inline AgentId known_agent() {
  AgentId id;
  id.uuid.fill(7);
  return id;
}
inline std::string known_secret() {
  return std::string(32, 's');
}

/// What a server of the bench says when it can be dialled; `pin` as hex, empty without TLS.
void say_ready(std::uint16_t port, const std::string& pin);

/// A fresh key for one run.
struct ServerKey {
  tunnel::TlsContext tls;
  std::string pin;  ///< raw
  static ServerKey make();
};

}  // namespace postern::bench
