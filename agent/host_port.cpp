#include "agent/host_port.hpp"

#include "base/bytes.hpp"
#include "base/http/canonical_host.hpp"

namespace postern::agent {
namespace {

constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._";
constexpr std::size_t kNameLimit = 253;  // RFC 1035, 2.3.4

Result<HostPort> bad(std::string_view text, std::string_view why) {
  return fail("invalid_address", fmt::format("\"{}\": {}", text, why));
}

}  // namespace

std::optional<std::string> canonical_host(std::string_view host) {
  if (auto address = http::canonical_address(host)) return address;
  std::string name = ascii_lower(host);
  const bool is_name = !name.empty() && name.size() <= kNameLimit && name.front() != '.' &&
                       name.front() != '-' && name.back() != '.' && name.find("..") == std::string::npos &&
                       name.find_first_not_of(kNameCharacters) == std::string::npos;
  return is_name ? std::optional(std::move(name)) : std::nullopt;
}

bool has_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto bracket = text.rfind(']');
  return bracket == std::string_view::npos || colon > bracket;
}

std::string HostPort::to_string() const {
  const bool brackets = host.find(':') != std::string::npos;
  return brackets ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  std::string_view host = text;
  if (!has_port(text)) return bad(text, "the port is missing; write HOST:PORT, such as localhost:8000");
  const auto colon = text.rfind(':');
  host = text.substr(0, colon);
  const auto port = parse_u64(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return bad(text, "the port must be a number from 1 to 65535");
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const bool colons = host.find(':') != std::string_view::npos;
  if (colons != brackets)
    return bad(text, "an IPv6 address, and nothing else, stands in brackets: [::1]:8000");
  const auto canonical = canonical_host(host);
  if (!canonical) return bad(text, "not a host name or an address (wildcards and ranges are not supported)");
  if (brackets && canonical->find(':') == std::string::npos) return bad(text, "not an IPv6 address");
  return HostPort{*canonical, static_cast<std::uint16_t>(*port)};
}

}  // namespace postern::agent
