#pragma once
#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/http/client.hpp"

namespace postern::relay {

/// The setting that makes exceptions, as error messages name it.
inline constexpr std::string_view kAllowNetworksSetting = "egress.allow_networks";

/// An address block such as 10.0.0.0/8 or fd00::/8.
struct Network {
  boost::asio::ip::address base;
  unsigned prefix_length = 0;
  bool contains(const boost::asio::ip::address& address) const;
};
/// "10.0.0.0/8", "fd00::/8", or one address. `invalid_network` when malformed, when it has a zone, or when
/// bits are set behind the prefix (10.0.0.1/8 is more often a slip than a wish).
Result<Network> parse_network(std::string_view text);

/// Which addresses a tenant's URL may make the relay connect to: globally reachable unicast only, so that the
/// relay's place in the network is of no use to anybody (server-side request forgery). It judges the address
/// that is about to be dialled, never a name: a name may answer differently a moment later.
///
/// Refused are the blocks of the IANA special-purpose registries (RFC 6890 and its updates), multicast,
/// everything of IPv6 outside 2000::/3, all forms that carry an IPv4 address inside (mapped, compatible,
/// NAT64, 6to4, Teredo), and the well-known addresses at which clouds hand out credentials.
///
/// An exception is made for what lies in an allowed network. A form that carries an IPv4 address is dialled
/// only when both pass: allowing 64:ff9b::/96 (a host with NAT64 only) still refuses 64:ff9b::10.0.0.1.
///
/// Immutable: copies and concurrent reads are fine.
class EgressPolicy {
 public:
  EgressPolicy() = default;  ///< no exceptions
  explicit EgressPolicy(std::vector<Network> allowed) : allowed_(std::move(allowed)) {}
  /// From configuration; the error of parse_network names the entry.
  static Result<EgressPolicy> from_config(std::span<const std::string> allow_networks);

  bool may_dial(const boost::asio::ip::address& address) const { return !refusal(address); }
  /// Why it may not be dialled, for people ("loopback", "private network"); nullopt when it may.
  std::optional<std::string_view> refusal(const boost::asio::ip::address& address) const;
  /// As http::Client wants it; holds a copy of this policy.
  http::AddressPolicy dial_check() const;

 private:
  bool allowed(const boost::asio::ip::address& address) const;

  std::vector<Network> allowed_;
};

}  // namespace postern::relay
