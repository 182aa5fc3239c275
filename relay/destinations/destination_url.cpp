#include "relay/destinations/destination_url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

namespace ip = boost::asio::ip;

// Fetch standard, "port blocking"; sorted.
constexpr std::array<std::uint16_t, 83> kBadPorts = {
    0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,   37,   42,   43,
    53,   69,   77,   79,   87,   95,   101,  102,  103,  104,  109,  110,  111,  113,  115,  117,  119,
    123,  135,  137,  139,  143,  161,  179,  389,  427,  465,  512,  513,  514,  515,  526,  530,  531,
    532,  540,  548,  554,  556,  563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};
static_assert(std::is_sorted(kBadPorts.begin(), kBadPorts.end()));

Result<void> check_bytes(std::string_view url) {
  if (url.size() > kMostUrlBytes)
    return fail("invalid_url", fmt::format("the URL is longer than {} bytes", kMostUrlBytes));
  for (const char c : url) {
    if (c <= ' ' || c >= '\x7f' || c == '\\')
      return fail("invalid_url",
                  "the URL holds a blank, control, backslash or non-ASCII character; percent-encode it, "
                  "and write an international host name in its xn-- form");
  }
  return {};
}

std::optional<ip::address> literal(std::string_view host) {
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(host), error);
  return error ? std::nullopt : std::optional(address);
}

/// The test browsers use (URL standard, "ends in a number"): inet_aton would take such a host for an address.
bool ends_in_a_number(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x") || last.starts_with("0X"))
    return last.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  return !last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);  // a fully qualified name
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.find("..") != std::string_view::npos)
    return false;
  return host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
         std::string_view::npos;
}

Result<void> check_host(const http::Origin& origin) {
  if (literal(origin.host)) return {};
  if (ends_in_a_number(origin.host))
    return fail(
        "invalid_url",
        fmt::format("the host \"{}\" is neither a name nor an address in its usual form", origin.host));
  if (!is_name(origin.host)) return fail("invalid_url", "the host of the URL is not a name");
  return {};
}

Result<void> check_address(const http::Origin& origin, const EgressPolicy& policy) {
  const auto address = literal(origin.host);
  if (!address) return {};
  const auto reason = policy.refusal(*address);
  if (!reason) return {};
  return fail("address_refused",
              fmt::format("{} ({}) may not be dialled; {} in the relay's configuration allows it",
                          origin.host, *reason, kAllowNetworksSetting));
}

Result<void> check_port(std::uint16_t port) {
  if (!std::binary_search(kBadPorts.begin(), kBadPorts.end(), port)) return {};
  return fail("port_refused", fmt::format("port {} is kept for another protocol than HTTP", port));
}

constexpr std::string_view kUnixScheme = "http+unix://";
constexpr std::size_t kMostSocketPath = 107;  // sun_path of Linux, with its NUL

bool is_socket_path(std::string_view path) {
  const auto fits = [](unsigned char c) { return c > 0x20 && c != 0x7f && c != ':'; };
  return path.starts_with('/') && path.size() <= kMostSocketPath &&
         std::all_of(path.begin(), path.end(), fits);
}

bool is_unix_url(std::string_view text) {
  return ascii_iequals(text.substr(0, kUnixScheme.size()), kUnixScheme);
}

/// http+unix://%2Frun%2Fapp.sock/path: the socket in the place of the host, its slashes encoded.
Result<http::Url> parse_unix_url(std::string_view text) {
  const std::string_view rest = text.substr(kUnixScheme.size());
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  const auto path = http::percent_decode(rest.substr(0, end));
  if (!path || !is_socket_path(*path))
    return fail("invalid_url",
                "after http+unix:// stands the socket's absolute path with its slashes as %2F, such as "
                "http+unix://%2Frun%2Fapp.sock/hooks; at most 107 bytes, without blanks and colons");
  // What follows is judged as that of any other URL.
  auto url = http::parse_url(fmt::format("http://localhost{}", rest.substr(end)));
  if (url) url->origin.host = std::string(http::kUnixHost) + *path;
  return url;
}

std::string origin_text(const http::Origin& origin) {
  if (origin.host.starts_with(http::kUnixHost))
    return std::string(kUnixScheme) +
           http::percent_encode(std::string_view(origin.host).substr(http::kUnixHost.size()));
  return (origin.tls ? "https://" : "http://") + origin.host_header();
}

Result<void> check_slack_scheme(const http::Origin& origin) {
  if (origin.tls || literal(origin.host)) return {};  // a literal has passed check_address
  return fail("unsupported_scheme", "a Slack URL is a secret and must be https");
}

}  // namespace

Result<http::Url> parse_destination_url(DestinationKind kind, std::string_view text,
                                        const EgressPolicy& policy) {
  if (auto ok = check_bytes(text); !ok) return std::unexpected(ok.error());
  if (kind == DestinationKind::agent && is_unix_url(text)) return parse_unix_url(text);
  auto url = http::parse_url(text);
  if (!url) return url;
  if (auto ok = check_host(url->origin); !ok) return std::unexpected(ok.error());
  if (kind == DestinationKind::agent) return url;
  if (auto ok = check_address(url->origin, policy); !ok) return std::unexpected(ok.error());
  if (auto ok = check_port(url->origin.port); !ok) return std::unexpected(ok.error());
  if (kind != DestinationKind::slack) return url;
  if (auto ok = check_slack_scheme(url->origin); !ok) return std::unexpected(ok.error());
  return url;
}

Result<void> validate_destination_url(DestinationKind kind, std::string_view url,
                                      const EgressPolicy& policy) {
  const auto parsed = parse_destination_url(kind, url, policy);
  if (!parsed) return std::unexpected(parsed.error());
  return {};
}

std::string url_without_credentials(DestinationKind kind, const http::Url& url) {
  const std::string origin = origin_text(url.origin);
  if (kind == DestinationKind::slack) return origin + "/…";
  const auto mark = url.target.find('?');
  return origin + url.target.substr(0, mark) + (mark == std::string::npos ? "" : "?…");
}

}  // namespace postern::relay
