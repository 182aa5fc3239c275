#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace postern::relay {

/// Where a Redis server is, and how to log in there.
struct RedisTarget {
  std::string host;  ///< a name or an address; empty with a socket_path
  std::uint16_t port = 6379;
  std::string socket_path;
  std::string user;      ///< empty: the server's default user
  std::string password;  ///< empty: no login
  std::uint32_t database = 0;

  std::string shown() const;  ///< for logs: without the password
};

/// redis://[[user]:password@]host[:port][/database], or unix:/path/of.sock; text in front of the '@' is
/// percent-encoded. Error `invalid_redis_url` says what is wrong, without the password.
Result<RedisTarget> parse_redis_url(std::string_view url);

}  // namespace postern::relay
