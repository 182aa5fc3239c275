#include "relay/tunnel/app_health_book.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace postern::relay {

bool AppHealthBook::told(AgentId agent, std::vector<tunnel::AppHealth> apps) {
  const std::lock_guard lock(mutex_);
  Word& word = words_[agent];
  const bool lapsed = clock_.steady() - word.at >= kHolds;
  const bool differs = lapsed || word.apps != apps;
  word = {std::move(apps), clock_.steady()};
  return differs;
}

void AppHealthBook::forget(AgentId agent) {
  const std::lock_guard lock(mutex_);
  words_.erase(agent);
}

std::optional<std::string> AppHealthBook::away(AgentId agent, std::string_view host,
                                               std::uint16_t port) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end() || clock_.steady() - word->second.at >= kHolds) return std::nullopt;
  const auto app = std::ranges::find_if(word->second.apps, [&](const tunnel::AppHealth& one) {
    // Names without case; the path of a unix socket is what it is.
    if (host.starts_with("unix:")) return one.host == host;
    return one.port == port && ascii_iequals(one.host, host);
  });
  if (app == word->second.apps.end() || app->reachable) return std::nullopt;
  return app->reason;
}

std::vector<tunnel::AppHealth> AppHealthBook::apps(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  return word == words_.end() ? std::vector<tunnel::AppHealth>() : word->second.apps;
}

}  // namespace postern::relay
