#include "agent/relay_trust.hpp"

namespace postern::agent {

Result<tunnel::TlsContext> relay_tls(const RelayTrust& trust, const HostPort& relay) {
  if (trust.ca.empty()) return tunnel::TlsContext::client(trust.pins);
  return tunnel::TlsContext::client_by_name(trust.ca == RelayTrust::kSystem ? "" : trust.ca, relay.host);
}

}  // namespace postern::agent
