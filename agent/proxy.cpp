#include "agent/proxy.hpp"

#include "base/bytes.hpp"
#include "base/http/message.hpp"

namespace postern::agent {

namespace ip = boost::asio::ip;

namespace {

std::unexpected<Error> invalid(std::string_view why) {
  return fail("invalid_proxy",
              fmt::format("The proxy's URL is not usable: {}. Write http://HOST:PORT, or "
                          "http://USER:PASSWORD@HOST:PORT with special characters percent-encoded.",
                          why));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// RFC 7617: the user name holds no colon, neither holds a control character.
Result<std::string> basic(std::string_view userinfo) {
  const auto colon = std::min(userinfo.find(':'), userinfo.size());
  const auto user = http::percent_decode(userinfo.substr(0, colon));
  const auto password = http::percent_decode(userinfo.substr(std::min(colon + 1, userinfo.size())));
  if (!user || !password)
    return invalid("a % in user or password is not followed by two hex digits, or stands for NUL");
  if (user->find(':') != std::string::npos) return invalid("the user name holds a colon");
  if (has_control(*user) || has_control(*password))
    return invalid("user or password holds a control character");
  return "Basic " + base64_encode(*user + ":" + *password);
}

Result<std::string_view> without_scheme(std::string_view url) {
  const auto mark = url.find("://");
  if (mark == std::string_view::npos) return url;
  const std::string scheme = ascii_lower(url.substr(0, mark));
  if (scheme == "http") return url.substr(mark + 3);
  return invalid("only http:// proxies are supported; what goes through them is encrypted all the same");
}

/// HTTPS_PROXY of curl and others; the capital one counts when both are set.
std::string variable(const std::function<const char*(const char*)>& environment, const char* capital,
                     const char* small) {
  for (const char* name : {capital, small}) {
    const char* value = environment(name);
    if (value && *value) return value;
  }
  return {};
}

bool is_loopback(const HostPort& target) {
  boost::system::error_code ec;
  const auto address = ip::make_address(target.host, ec);
  return ec ? target.host == "localhost" : address.is_loopback();
}

/// The first `bits` of two addresses of one family.
template <class Bytes>
bool same_start(const Bytes& a, const Bytes& b, unsigned bits) {
  for (std::size_t i = 0; i < a.size() && i * 8 < bits; ++i) {
    const unsigned left = bits - static_cast<unsigned>(i) * 8;
    const unsigned mask = left >= 8 ? 0xffU : (0xff00U >> left) & 0xffU;
    if (((a[i] ^ b[i]) & mask) != 0) return false;
  }
  return true;
}

bool in_range(const ip::address& address, const ip::address& network, unsigned bits) {
  if (address.is_v4() != network.is_v4()) return false;
  return address.is_v4() ? same_start(address.to_v4().to_bytes(), network.to_v4().to_bytes(), bits)
                         : same_start(address.to_v6().to_bytes(), network.to_v6().to_bytes(), bits);
}

std::optional<ip::address> literal(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  boost::system::error_code ec;
  const auto address = ip::make_address(std::string(text), ec);
  return ec ? std::nullopt : std::optional(address);
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view url) {
  const auto rest = without_scheme(url);
  if (!rest) return std::unexpected(rest.error());
  std::string_view authority = *rest;
  if (authority.ends_with('/')) authority.remove_suffix(1);
  const auto at = authority.rfind('@');
  Proxy proxy;
  if (at != std::string_view::npos) {
    auto authorization = basic(authority.substr(0, at));
    if (!authorization) return std::unexpected(authorization.error());
    proxy.authorization = std::move(*authorization);
    authority.remove_prefix(at + 1);
  }
  if (authority.find_first_of("/?#") != std::string_view::npos) return invalid("a proxy has no path");
  auto parsed = parse_host_port(std::string(authority) + (has_port(authority) ? "" : ":80"));
  if (!parsed) return invalid("the host or the port is malformed");
  proxy.at = std::move(*parsed);
  return proxy;
}

NoProxy::NoProxy(std::string_view list) {
  constexpr std::string_view kBetween = ", \t";
  while (true) {
    list.remove_prefix(std::min(list.find_first_not_of(kBetween), list.size()));
    if (list.empty()) return;
    const auto end = std::min(list.find_first_of(kBetween), list.size());
    if (auto rule = parse_rule(list.substr(0, end))) rules_.push_back(std::move(*rule));
    list.remove_prefix(end);
  }
}

std::optional<NoProxy::Rule> NoProxy::parse_rule(std::string_view text) {
  Rule rule;
  rule.all = text == "*";
  if (rule.all) return rule;
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    rule.address = literal(text.substr(0, slash));
    const auto bits = parse_u64(text.substr(slash + 1));
    if (!rule.address || !bits || *bits > (rule.address->is_v4() ? 32U : 128U)) return std::nullopt;
    rule.bits = static_cast<unsigned>(*bits);
    return rule;
  }
  rule.bits = 128;
  rule.address = literal(text);  // before the port: a bare IPv6 address has colons of its own
  if (rule.address) return rule;
  if (has_port(text)) {
    const auto colon = text.rfind(':');
    const auto port = parse_u64(text.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    rule.port = static_cast<std::uint16_t>(*port);
    text = text.substr(0, colon);
    rule.address = literal(text);
    if (rule.address) return rule;
  }
  if (text.starts_with("*.")) text.remove_prefix(1);
  rule.below = text.starts_with('.');
  rule.name = ascii_lower(text.substr(rule.below ? 1 : 0));
  return rule.name.empty() ? std::nullopt : std::optional(rule);
}

bool NoProxy::fits(const Rule& rule, const HostPort& target) {
  if (rule.all) return true;
  if (rule.port != 0 && rule.port != target.port) return false;
  if (rule.address) {
    const auto address = literal(target.host);
    return address && in_range(*address, *rule.address, rule.bits);
  }
  if (target.host == rule.name) return !rule.below;
  return target.host.ends_with("." + rule.name);
}

bool NoProxy::covers(const HostPort& target) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return fits(rule, target); });
}

const Proxy* ProxyRules::on_the_way_to(const HostPort& target) const {
  if (!proxy || except.covers(target)) return nullptr;
  if (!loopback_too && is_loopback(target)) return nullptr;
  return &*proxy;
}

Result<ProxyRules> proxy_rules(const std::string& chosen,
                               const std::function<const char*(const char*)>& environment) {
  ProxyRules rules;
  rules.except = NoProxy(variable(environment, "NO_PROXY", "no_proxy"));
  rules.loopback_too = !chosen.empty();
  const std::string url = chosen.empty() ? variable(environment, "HTTPS_PROXY", "https_proxy") : chosen;
  if (url.empty()) return rules;
  auto proxy = parse_proxy(url);
  if (!proxy) {
    const char* where = chosen.empty() ? "HTTPS_PROXY" : "--proxy (or POSTERN_AGENT_PROXY)";
    return fail(proxy.error().code, fmt::format("{}: {}", where, proxy.error().message));
  }
  rules.proxy = std::move(*proxy);
  return rules;
}

}  // namespace postern::agent
