#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace postern::control {

/// What an operator may say about which relay to speak to, and as whom.
struct ConnectionFlags {
  std::string url;       ///< --url
  std::string key;       ///< --key
  std::string data_dir;  ///< --data-dir
};

struct Connection {
  std::string url;  ///< without a slash at the end
  std::string key;
};

/// Flags first, then POSTERN_URL (or POSTERN_ADMIN_URL) and POSTERN_KEY, then admin.addr and admin.key of the
/// data directory (--data-dir, POSTERN_DATA_DIR, ./postern-data). Errors say what was looked for and where.
Result<Connection> find_connection(const ConnectionFlags& flags,
                                   const std::function<const char*(const char*)>& environment);

}  // namespace postern::control
