#include "relay/destinations/egress_policy.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace postern::relay {
namespace {

namespace ip = boost::asio::ip;
using V4Bytes = ip::address_v4::bytes_type;
using V6Bytes = ip::address_v6::bytes_type;

template <class Bytes>
bool same_prefix(const Bytes& a, const Bytes& b, unsigned length) {
  const std::size_t whole = length / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00u >> rest);
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

struct Rule {
  Network network;
  std::string_view reason;
};

std::vector<Rule> rules(std::initializer_list<std::pair<std::string_view, std::string_view>> table) {
  std::vector<Rule> out;
  for (const auto& [network, reason] : table) out.push_back({parse_network(network).value(), reason});
  return out;
}

// IANA IPv4 special-purpose registry, plus multicast. 192.0.0.192 (Oracle) and 100.100.100.200 (Alibaba) hand
// out credentials too and lie in blocks refused anyway; 168.63.129.16 (Azure) is the one with a public face.
const std::vector<Rule>& v4_rules() {
  static const std::vector<Rule> table = rules({
      {"0.0.0.0/8", "this host"},
      {"10.0.0.0/8", "private network"},
      {"100.64.0.0/10", "carrier-grade NAT"},
      {"127.0.0.0/8", "loopback"},
      {"169.254.169.254", "cloud metadata"},
      {"169.254.0.0/16", "link-local"},
      {"172.16.0.0/12", "private network"},
      {"192.0.0.0/24", "IETF protocol assignments"},
      {"192.0.2.0/24", "documentation"},
      {"192.88.99.0/24", "6to4 relay anycast"},
      {"192.168.0.0/16", "private network"},
      {"198.18.0.0/15", "benchmarking"},
      {"198.51.100.0/24", "documentation"},
      {"203.0.113.0/24", "documentation"},
      {"168.63.129.16", "cloud platform services"},
      {"224.0.0.0/4", "multicast"},
      {"255.255.255.255", "broadcast"},
      {"240.0.0.0/4", "reserved"},
  });
  return table;
}

// First match wins. Inside 2000::/3 these are the exceptions; outside it, which is refused as a whole, they
// name the reason.
const std::vector<Rule>& v6_rules() {
  static const std::vector<Rule> table = rules({
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"::ffff:0:0/96", "IPv4-mapped"},
      {"::/96", "IPv4-compatible"},
      {"64:ff9b::/96", "NAT64"},
      {"64:ff9b:1::/48", "NAT64, local use"},
      {"100::/64", "discard only"},
      {"2001::/32", "Teredo"},
      {"2001:10::/28", "ORCHID"},
      {"2001:20::/28", "ORCHID"},
      {"2001::/23", "IETF protocol assignments"},
      {"2001:db8::/32", "documentation"},
      {"2002::/16", "6to4"},
      {"3fff::/20", "documentation"},
      {"5f00::/16", "segment routing"},
      {"fd00:ec2::254", "cloud metadata"},
      {"fc00::/7", "unique local"},
      {"fe80::/10", "link-local"},
      {"fec0::/10", "site-local"},
      {"ff00::/8", "multicast"},
  });
  return table;
}

/// Where a form of IPv6 address keeps an IPv4 address: `flip` is what its bytes are XORed with.
struct Carrier {
  Network network;
  std::size_t offset;
  std::uint8_t flip;
};

const std::vector<Carrier>& carriers() {
  static const std::vector<Carrier> table = {
      {parse_network("::ffff:0:0/96").value(), 12, 0},   // mapped
      {parse_network("::/96").value(), 12, 0},           // compatible
      {parse_network("64:ff9b::/96").value(), 12, 0},    // NAT64, RFC 6052
      {parse_network("64:ff9b:1::/48").value(), 12, 0},  // NAT64, RFC 8215; read as the usual /96 layout
      {parse_network("2002::/16").value(), 2, 0},        // 6to4
      {parse_network("2001::/32").value(), 4, 0},        // Teredo server
      {parse_network("2001::/32").value(), 12, 0xff},    // Teredo client
  };
  return table;
}

/// RFC 5214 section 6.1: interface id 0000:5efe or 0200:5efe, then the IPv4 address.
bool is_isatap(const V6Bytes& b) {
  return (b[8] & ~0x02) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe;
}

ip::address v4_at(const V6Bytes& b, std::size_t offset, std::uint8_t flip) {
  V4Bytes out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(b[offset + i] ^ flip);
  return ip::address_v4(out);
}

/// The IPv4 addresses a packet to this one would end at, or be routed by.
std::vector<ip::address> embedded(const ip::address_v6& address) {
  if (address.is_unspecified() || address.is_loopback()) return {};
  const V6Bytes b = address.to_bytes();
  std::vector<ip::address> out;
  for (const Carrier& carrier : carriers()) {
    if (carrier.network.contains(address)) out.push_back(v4_at(b, carrier.offset, carrier.flip));
  }
  if (is_isatap(b)) out.push_back(v4_at(b, 12, 0));
  return out;
}

std::optional<std::string_view> find_reason(const std::vector<Rule>& table, const ip::address& address) {
  for (const Rule& rule : table) {
    if (rule.network.contains(address)) return rule.reason;
  }
  return std::nullopt;
}

std::optional<std::string_view> special_purpose(const ip::address& address) {
  if (address.is_v4()) return find_reason(v4_rules(), address);
  if (const auto reason = find_reason(v6_rules(), address)) return reason;
  const bool global_unicast = (address.to_v6().to_bytes()[0] & 0xe0) == 0x20;  // 2000::/3
  return global_unicast ? std::nullopt : std::optional<std::string_view>("not global unicast");
}

}  // namespace

bool Network::contains(const ip::address& address) const {
  if (address.is_v4() != base.is_v4()) return false;
  if (address.is_v4()) return same_prefix(address.to_v4().to_bytes(), base.to_v4().to_bytes(), prefix_length);
  return same_prefix(address.to_v6().to_bytes(), base.to_v6().to_bytes(), prefix_length);
}

Result<Network> parse_network(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail("invalid_network", fmt::format("\"{}\" is not a network such as 10.0.0.0/8: {}", text, why));
  };
  const auto slash = text.find('/');
  boost::system::error_code error;
  const ip::address base = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error || text.find('%') != std::string_view::npos) return bad("the address is malformed");
  const unsigned width = base.is_v4() ? 32 : 128;
  unsigned length = width;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (status != std::errc() || end != digits.data() + digits.size() || length > width)
      return bad(fmt::format("the prefix length must be 0 to {}", width));
  }
  const auto bits = static_cast<unsigned short>(length);
  const ip::address floor = base.is_v4() ? ip::address(ip::network_v4(base.to_v4(), bits).network())
                                         : ip::address(ip::network_v6(base.to_v6(), bits).network());
  if (floor != base)
    return bad(fmt::format("bits are set behind the prefix; {}/{}?", floor.to_string(), length));
  return Network{base, length};
}

Result<EgressPolicy> EgressPolicy::from_config(std::span<const std::string> allow_networks) {
  std::vector<Network> allowed;
  for (const std::string& text : allow_networks) {
    auto network = parse_network(text);
    if (!network) return std::unexpected(network.error());
    allowed.push_back(*network);
  }
  return EgressPolicy(std::move(allowed));
}

bool EgressPolicy::allowed(const ip::address& address) const {
  return std::any_of(allowed_.begin(), allowed_.end(), [&](const Network& n) { return n.contains(address); });
}

std::optional<std::string_view> EgressPolicy::refusal(const ip::address& address) const {
  if (!allowed(address)) {
    if (const auto reason = special_purpose(address)) return reason;
    // Only link-local addresses have zones; on any other it is a way to choose the interface.
    if (address.is_v6() && address.to_v6().scope_id() != 0) return "address with a zone";
  }
  if (address.is_v4()) return std::nullopt;
  for (const ip::address& inner : embedded(address.to_v6())) {
    if (const auto reason = refusal(inner)) return reason;
  }
  return std::nullopt;
}

http::AddressPolicy EgressPolicy::dial_check() const {
  return [policy = *this](const ip::address& address) { return policy.may_dial(address); };
}

}  // namespace postern::relay
