#include "agent/allow_list.hpp"

#include <boost/asio/ip/address.hpp>

#include <optional>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

using boost::asio::ip::make_address;

constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._";
constexpr std::size_t kNameLimit = 253;  // RFC 1035, 2.3.4

/// nullopt when it is neither a literal address nor something that can be a name.
std::optional<std::string> canonical_host(std::string_view host) {
  boost::system::error_code ec;
  const auto address = make_address(std::string(host), ec);
  if (!ec) return address.to_string();
  std::string name = ascii_lower(host);
  const bool is_name = !name.empty() && name.size() <= kNameLimit && name.front() != '.' &&
                       name.front() != '-' && name.back() != '.' && name.find("..") == std::string::npos &&
                       name.find_first_not_of(kNameCharacters) == std::string::npos;
  return is_name ? std::optional(std::move(name)) : std::nullopt;
}

std::string join(std::string_view host, std::uint16_t port) {
  const bool brackets = host.find(':') != std::string_view::npos;
  return brackets ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<HostPort> bad(std::string_view text, std::string_view why) {
  return fail("invalid_address", fmt::format("\"{}\": {}", text, why));
}

struct Origin {
  std::string text;
  std::string default_port;  // empty: none
};

/// Takes a scheme away; what is left is HOST or HOST:PORT.
Result<Origin> without_scheme(std::string_view entry) {
  const auto at = entry.find("://");
  if (at == std::string_view::npos) return Origin{std::string(entry), ""};
  const std::string scheme = ascii_lower(entry.substr(0, at));
  if (scheme != "http" && scheme != "https") {
    return fail("invalid_allow", fmt::format("\"{}\": only http:// and https:// apps can be reached", entry));
  }
  std::string_view rest = entry.substr(at + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@") != std::string_view::npos) {
    return fail("invalid_allow", fmt::format("\"{}\": a host and port only, without user or path", entry));
  }
  return Origin{std::string(rest), scheme == "http" ? "80" : "443"};
}

bool has_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto bracket = text.rfind(']');
  return bracket == std::string_view::npos || colon > bracket;
}

}  // namespace

std::string HostPort::to_string() const {
  return join(host, port);
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

Result<AllowList> AllowList::parse(const std::vector<std::string>& entries) {
  AllowList list;
  for (const std::string& entry : entries) {
    auto origin = without_scheme(entry);
    if (!origin) return std::unexpected(origin.error());
    if (!origin->default_port.empty() && !has_port(origin->text)) origin->text += ":" + origin->default_port;
    auto parsed = parse_host_port(origin->text);
    if (!parsed) return fail("invalid_allow", parsed.error().message);
    list.entries_.insert(parsed->to_string());
  }
  return list;
}

bool AllowList::allows(std::string_view host, std::uint16_t port) const {
  const auto canonical = canonical_host(host);
  return canonical && port != 0 && entries_.contains(join(*canonical, port));
}

}  // namespace postern::agent
