#include "relay/tunnel/app_health_book.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include "base/bytes.hpp"

namespace postern::relay {

namespace {

// Names without case; the path of a unix socket is what it is.
bool is_at(const tunnel::AppHealth& app, std::string_view host, std::uint16_t port) {
  if (host.starts_with("unix:")) return app.host == host;
  return app.port == port && ascii_iequals(app.host, host);
}

std::vector<tunnel::AppHealth> bounded(const std::vector<tunnel::AppHealth>& apps) {
  std::vector<tunnel::AppHealth> out;
  std::ranges::copy_if(apps, std::back_inserter(out), [](const auto& app) { return app.concurrency > 0; });
  return out;
}

}  // namespace

bool AppHealthBook::told(AgentId agent, const Teller& teller, std::vector<tunnel::AppHealth> apps) {
  const std::lock_guard lock(mutex_);
  Word& word = words_[agent];
  const bool lapsed = clock_.steady() - word.at >= kHolds;
  auto bounds =
      std::ranges::find(word.bounds, teller.seat, [](const Bounds& one) { return one.teller.seat; });
  if (bounds == word.bounds.end()) bounds = word.bounds.insert(bounds, Bounds{});
  Bounds now{teller, bounded(apps)};
  const bool differs = lapsed || word.apps != apps || bounds->apps != now.apps;
  *bounds = std::move(now);
  word.apps = std::move(apps);
  word.at = clock_.steady();
  return differs;
}

bool AppHealthBook::left(AgentId agent, const Teller& teller) {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return false;
  bool said = false;
  std::erase_if(word->second.bounds, [&](const Bounds& one) {
    const bool same = one.teller.session == teller.session;
    said = said || (same && !one.apps.empty());
    return same;
  });
  if (word->second.bounds.empty() && word->second.apps.empty()) words_.erase(word);
  return said;
}

/// In exact numbers: a session's part of 3 is 1.5 where there are two, and two of them have all 3.
std::optional<unsigned> AppHealthBook::places(AgentId agent, std::string_view host,
                                              std::uint16_t port) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return std::nullopt;
  struct Process {
    std::uint64_t own = 0;  ///< sessions with this node
    std::uint64_t all = 1;
    std::uint64_t most = 0;
  };
  std::map<Uuid, Process> processes;
  for (const Bounds& one : word->second.bounds) {
    const auto app = std::ranges::find_if(one.apps, [&](const auto& it) { return is_at(it, host, port); });
    if (app == one.apps.end()) continue;
    Process& process = processes[one.teller.seat.instance];
    process = {process.own + 1, app->sessions, app->concurrency};
  }
  if (processes.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const auto& [instance, process] : processes)
    sum += (process.most * std::min(process.own, process.all) + process.all - 1) / process.all;
  return static_cast<unsigned>(sum);
}

void AppHealthBook::forget(AgentId agent) {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return;
  word->second.apps.clear();
  word->second.at = {};
  if (word->second.bounds.empty()) words_.erase(word);
}

std::optional<std::string> AppHealthBook::away(AgentId agent, std::string_view host,
                                               std::uint16_t port) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end() || clock_.steady() - word->second.at >= kHolds) return std::nullopt;
  const auto app =
      std::ranges::find_if(word->second.apps, [&](const auto& one) { return is_at(one, host, port); });
  if (app == word->second.apps.end() || app->reachable) return std::nullopt;
  return app->reason;
}

std::vector<tunnel::AppHealth> AppHealthBook::apps(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  return word == words_.end() ? std::vector<tunnel::AppHealth>() : word->second.apps;
}

}  // namespace postern::relay
