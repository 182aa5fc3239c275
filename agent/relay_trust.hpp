#pragma once
#include <string>
#include <vector>

#include "agent/allow_list.hpp"
#include "base/error.hpp"
#include "tunnel-proto/tls_identity.hpp"

namespace postern::agent {

/// How the relay is known at its address. Either way both ends prove the shared secret over it as well.
struct RelayTrust {
  static constexpr std::string_view kSystem = "system";

  std::vector<std::string>
      pins;        ///< SHA-256 of its keys (SPKI), 32 bytes each; what counts while `ca` is empty
  std::string ca;  ///< kSystem, or a file of CA certificates: vouches for the relay's name, pins or not
};

/// Read anew each time: certificates of CAs come and go. Error `bad_ca_file`.
Result<tunnel::TlsContext> relay_tls(const RelayTrust& trust, const HostPort& relay);

}  // namespace postern::agent
