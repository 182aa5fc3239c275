#include "relay/limits/redis_url.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/config.hpp"
#include "base/http/message.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kForm = "expected redis://[[user]:password@]host[:port][/database] or unix:/path.";

std::unexpected<Error> wrong(std::string_view what) {
  return fail("invalid_redis_url", fmt::format("{} {}", what, kForm));
}

/// "user:password" or ":password".
bool read_login(std::string_view text, RedisTarget& target) {
  const auto colon = text.find(':');
  if (colon == text.npos) return false;
  const auto user = http::percent_decode(text.substr(0, colon));
  const auto password = http::percent_decode(text.substr(colon + 1));
  if (!user || !password || password->empty()) return false;
  target.user = *user;
  target.password = *password;
  return true;
}

bool read_place(std::string_view text, RedisTarget& target) {
  const bool has_port = text.ends_with(']') ? false : text.rfind(':') != text.npos;
  const auto address = config::parse_address(has_port ? std::string(text) : fmt::format("{}:6379", text));
  if (!address || address->host.empty() || address->port == 0) return false;
  target.host = address->host;
  target.port = address->port;
  return true;
}

}  // namespace

std::string RedisTarget::shown() const {
  if (!socket_path.empty()) return "unix:" + socket_path;
  return fmt::format("redis://{}/{}", config::Address{host, port}.to_string(), database);
}

Result<RedisTarget> parse_redis_url(std::string_view url) {
  RedisTarget target;
  constexpr std::string_view kUnix = "unix:", kPlain = "redis://", kTls = "rediss://";
  if (url.starts_with(kUnix)) {
    target.socket_path = url.substr(kUnix.size());
    if (!target.socket_path.starts_with('/')) return wrong("The path of the socket does not begin with '/':");
    return target;
  }
  if (url.starts_with(kTls)) {
    return fail(
        "invalid_redis_url",
        "rediss:// (TLS) is not supported. Use redis:// over a private network, or a TLS tunnel such as "
        "stunnel on this host.");
  }
  if (!url.starts_with(kPlain)) return wrong("Not a Redis URL:");
  url.remove_prefix(kPlain.size());
  if (const auto at = url.rfind('@'); at != url.npos) {
    if (!read_login(url.substr(0, at), target)) return wrong("The user and password cannot be read:");
    url.remove_prefix(at + 1);
  }
  const auto slash = url.find('/');
  if (slash != url.npos && slash + 1 < url.size()) {
    const auto database = parse_u64(url.substr(slash + 1));
    if (!database || *database > 1'000'000) return wrong("The database is not a number:");
    target.database = static_cast<std::uint32_t>(*database);
  }
  if (!read_place(url.substr(0, slash), target)) return wrong("Host and port cannot be read:");
  return target;
}

}  // namespace postern::relay
