#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace postern::agent {

/// What the apps are that this agent may reach: the ceiling that nothing from the relay widens, asked on
/// every stream before anything else happens. Exact pairs of host and port; no names are resolved, no ranges,
/// no wildcards: `localhost:80` does not allow 127.0.0.1:80, and an empty list allows nothing.
///
/// Names compare without case (ASCII). Literal addresses compare as addresses, so [::1] and [0:0:0:0:0:0:0:1]
/// are one; an IPv4 address and its IPv6-mapped form are two.
class AllowList {
 public:
  /// Each entry is HOST:PORT, [IPV6]:PORT, or an origin http://HOST[:PORT], https://HOST[:PORT] with the
  /// scheme's own port. Error `invalid_allow` names the entry and what is wrong with it.
  static Result<AllowList> parse(const std::vector<std::string>& entries);

  /// `host` without brackets, as the relay sent it.
  bool allows(std::string_view host, std::uint16_t port) const;

  bool empty() const { return entries_.empty(); }
  /// Canonical text of each entry, sorted; parse() reads it back.
  std::vector<std::string> entries() const { return {entries_.begin(), entries_.end()}; }

 private:
  std::set<std::string> entries_;
};

struct HostPort {
  std::string host;  ///< canonical; IPv6 without brackets
  std::uint16_t port = 0;
  std::string to_string() const;  ///< with brackets where needed
};
/// Strict HOST:PORT or [IPV6]:PORT. Error `invalid_address`.
Result<HostPort> parse_host_port(std::string_view text);

}  // namespace postern::agent
