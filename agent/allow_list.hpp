#pragma once
#include <string>
#include <vector>

#include "agent/allow_entry.hpp"
#include "base/error.hpp"

namespace postern::agent {

/// What the apps are that this agent may reach: the ceiling that nothing from the relay widens, asked on
/// every stream before anything else happens. Places are exact; no names are resolved, no ranges:
/// `localhost:80` does not allow 127.0.0.1:80, and an empty list allows nothing. AllowEntry says how an entry
/// is written.
///
/// Names compare without case (ASCII). Literal addresses compare as addresses, so [::1] and [0:0:0:0:0:0:0:1]
/// are one; an IPv4 address and its IPv6-mapped form are two.
class AllowList {
 public:
  /// Error `invalid_allow` names the entry and what is wrong with it.
  static Result<AllowList> parse(const std::vector<std::string>& entries);

  struct Permission {
    /// SHA-256 of public keys, one of which the app must hold, whichever of the place's entries named them;
    /// empty: its certificate says who it is.
    std::vector<std::string> pins;
  };
  /// Errors `not_allowed` for the place, `request_not_allowed` for the method or the path, or a header that
  /// may stand for another one (override_header.hpp) where only entries with limits fit; the message says
  /// what would allow it.
  Result<Permission> permit(const Call& call) const;

  /// Some request for this place is allowed. `host` as in Call.
  bool knows(std::string_view host, std::uint16_t port) const;

  /// The keys that an https app of that place may hold: Permission::pins.
  std::vector<std::string> pins(std::string_view host, std::uint16_t port) const;

  /// Deliveries at once that the app of that place takes: the least of what its entries say; 0: any number.
  std::size_t most(std::string_view host, std::uint16_t port) const;
  /// Places that entries name exactly and bound; host as in Call.
  std::vector<HostPort> bounded() const;

  bool empty() const { return entries_.empty(); }
  const std::vector<AllowEntry>& list() const { return entries_; }
  /// Canonical text of each entry, sorted; parse() reads it back.
  std::vector<std::string> entries() const;

 private:
  std::vector<AllowEntry> entries_;
};

}  // namespace postern::agent
