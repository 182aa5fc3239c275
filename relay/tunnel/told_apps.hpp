#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tunnel-proto/app_health.hpp"

namespace postern::relay {

/// Names an app: equal for all spellings of its host.
std::string app_key(std::string_view host, std::uint16_t port);

/// One HEALTH, to look apps up in. Of entries that name one app in two ways, the first says whether it can be
/// reached, and the least bound of them holds.
class ToldApps {
 public:
  ToldApps() = default;
  explicit ToldApps(std::vector<tunnel::AppHealth> apps);

  const std::vector<tunnel::AppHealth>& all() const { return all_; }
  /// `key` of app_key(). Null: not named.
  const tunnel::AppHealth* find(const std::string& key) const;
  bool bounds_any() const { return bounds_any_; }
  bool same_bounds(const ToldApps& other) const;

 private:
  std::vector<tunnel::AppHealth> all_;
  std::unordered_map<std::string, tunnel::AppHealth> by_key_;
  bool bounds_any_ = false;
};

}  // namespace postern::relay
