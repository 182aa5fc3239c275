#include "tunnel-proto/app_health.hpp"

#include <algorithm>
#include <limits>

#include "tunnel-proto/quiet_protobuf.hpp"
#include "tunnel-proto/tunnel.pb.h"
#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {
namespace {

constexpr std::size_t kHostBytes = 255;
constexpr std::size_t kReasonBytes = 64;
constexpr std::uint32_t kConcurrencyMost = 1'000'000;

}  // namespace

std::string encode(std::span<const AppHealth> apps) {
  wire::Health message;
  for (const AppHealth& app : apps.first(std::min(apps.size(), kAppsMost))) {
    if (app.host.size() > kHostBytes) continue;
    auto& entry = *message.add_apps();
    entry.set_host(app.host);
    entry.set_port(app.port);
    entry.set_reachable(app.reachable);
    entry.set_reason(app.reason.substr(0, kReasonBytes));
    if (app.concurrency == 0) continue;
    entry.set_concurrency(app.concurrency);
    entry.set_sessions(app.sessions);
  }
  return message.SerializeAsString();
}

Result<std::vector<AppHealth>> decode_health(std::string_view bytes) {
  wire::Health message;
  silence_library();
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail("protocol", "HEALTH is malformed");
  if (message.apps_size() > static_cast<int>(kAppsMost))
    return fail("protocol", "HEALTH names too many apps");
  std::vector<AppHealth> apps;
  for (const auto& entry : message.apps()) {
    const bool fits = entry.host().size() <= kHostBytes && entry.reason().size() <= kReasonBytes &&
                      entry.port() <= std::numeric_limits<std::uint16_t>::max();
    if (!fits) return fail("protocol", "HEALTH names an app that cannot be one");
    apps.push_back({entry.host(), static_cast<std::uint16_t>(entry.port()), entry.reachable(), entry.reason(),
                    std::min(entry.concurrency(), kConcurrencyMost),
                    std::clamp(entry.sessions(), std::uint32_t{1}, kSessionsMost)});
  }
  return apps;
}

}  // namespace postern::tunnel
