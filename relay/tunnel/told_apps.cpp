#include "relay/tunnel/told_apps.hpp"

#include <algorithm>
#include <ranges>

#include "base/http/canonical_host.hpp"
#include "base/http/client.hpp"

namespace postern::relay {
namespace {

bool is_tighter(const tunnel::AppHealth& a, const tunnel::AppHealth& b) {
  return a.concurrency > 0 && (b.concurrency == 0 || a.concurrency < b.concurrency);
}

bool bounds_alike(const tunnel::AppHealth& a, const tunnel::AppHealth& b) {
  return a.host == b.host && a.port == b.port && a.concurrency == b.concurrency && a.sessions == b.sessions;
}

}  // namespace

std::string app_key(std::string_view host, std::uint16_t port) {
  std::string key = http::canonical_host(host);
  if (!key.starts_with(http::kUnixHost)) key.append(1, ' ').append(std::to_string(port));
  return key;
}

ToldApps::ToldApps(std::vector<tunnel::AppHealth> apps) : all_(std::move(apps)) {
  for (const tunnel::AppHealth& app : all_) {
    bounds_any_ = bounds_any_ || app.concurrency > 0;
    const auto [known, is_new] = by_key_.try_emplace(app_key(app.host, app.port), app);
    if (is_new || !is_tighter(app, known->second)) continue;
    known->second.concurrency = app.concurrency;
    known->second.sessions = app.sessions;
  }
}

const tunnel::AppHealth* ToldApps::find(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &found->second;
}

bool ToldApps::same_bounds(const ToldApps& other) const {
  const auto bounded = std::views::filter([](const tunnel::AppHealth& app) { return app.concurrency > 0; });
  return std::ranges::equal(all_ | bounded, other.all_ | bounded, bounds_alike);
}

}  // namespace postern::relay
