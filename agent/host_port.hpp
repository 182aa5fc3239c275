#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace postern::agent {

struct HostPort {
  std::string host;  ///< canonical; IPv6 without brackets
  std::uint16_t port = 0;
  std::string to_string() const;  ///< with brackets where needed
  bool operator==(const HostPort&) const = default;
};
/// Strict HOST:PORT or [IPV6]:PORT. Error `invalid_address`.
Result<HostPort> parse_host_port(std::string_view text);

/// Names in lower case, literal addresses in their usual form; `host` has no brackets. nullopt when it is
/// neither a literal address nor something that can be a name.
std::optional<std::string> canonical_host(std::string_view host);

/// Whether a port is said, of HOST, HOST:PORT, [IPV6] or [IPV6]:PORT.
bool has_port(std::string_view text);

}  // namespace postern::agent
