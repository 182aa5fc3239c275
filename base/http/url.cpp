#include "base/bytes.hpp"
#include "base/http/chars.hpp"
#include "base/http/client.hpp"
#include "base/http/gate_rules.hpp"

namespace postern::http {

namespace {

std::optional<bool> scheme_is_tls(std::string_view scheme) {
  if (ascii_iequals(scheme, "https")) return true;
  if (ascii_iequals(scheme, "http")) return false;
  return std::nullopt;
}

std::uint16_t default_port(bool tls) {
  return tls ? 443 : 80;
}

/// `authority` has passed valid_host. Port 0 stands for one that cannot be dialled.
Origin split_authority(std::string_view authority, bool tls) {
  Origin origin{tls, {}, default_port(tls)};
  std::string_view rest;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    origin.host = ascii_lower(authority.substr(1, end - 1));
    rest = authority.substr(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    origin.host = ascii_lower(authority.substr(0, colon));
    rest = authority.substr(colon);
  }
  if (!rest.empty()) origin.port = static_cast<std::uint16_t>(parse_u64(rest.substr(1)).value_or(0));
  return origin;
}

}  // namespace

std::string Origin::host_header() const {
  if (host.starts_with(kUnixHost)) return "localhost";
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != default_port(tls)) text += ":" + std::to_string(port);
  return text;
}

Result<Url> parse_url(std::string_view text) {
  const auto mark = text.find("://");
  if (mark == std::string_view::npos) return fail("invalid_url", "a URL begins with http:// or https://");
  const auto tls = scheme_is_tls(text.substr(0, mark));
  if (!tls) return fail("unsupported_scheme", "only http and https URLs can be called");
  if (text.find('#') != std::string_view::npos)
    return fail("invalid_url", "a URL to call has no fragment (#…)");
  if (run_length(kTarget, text) != text.size()) {
    return fail("invalid_url", "blanks, control and non-ASCII characters must be percent-encoded");
  }
  const std::string_view rest = text.substr(mark + 3);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos)
    return fail("invalid_url", "a URL to call has no user name");
  if (!valid_host(authority)) return fail("invalid_url", "the host or port is malformed");

  Url url{split_authority(authority, *tls), std::string(rest.substr(end))};
  if (url.origin.port == 0) return fail("invalid_url", "port 0 cannot be called");
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

}  // namespace postern::http
