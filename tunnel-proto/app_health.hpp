#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace postern::tunnel {

/// HEALTH: whether an app can be reached, as its agent sees it, and how much it takes at once.
struct AppHealth {
  std::string host;
  std::uint16_t port = 0;
  bool reachable = true;
  std::string reason;  ///< a word of outcome_reasons.hpp; empty when reachable
  /// Deliveries at once that the agent's process gives it, on all of its `sessions` together; 0: any number.
  std::uint32_t concurrency = 0;
  std::uint32_t sessions = 1;
  bool operator==(const AppHealth&) const = default;
};

/// How many apps one frame names. Of more, the agent leaves out those that can be reached and are not
/// bounded.
inline constexpr std::size_t kAppsMost = 128;

/// At most kAppsMost; hosts over 255 bytes are left out.
std::string encode(std::span<const AppHealth> apps);
/// `protocol` when malformed, or too many.
Result<std::vector<AppHealth>> decode_health(std::string_view bytes);

}  // namespace postern::tunnel
