#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "tunnel-proto/app_health.hpp"

namespace postern::relay {

/// What the agents of this node's sessions say of their apps. The newest word is the whole of it; a word that
/// an app is away holds for kHolds, and agents repeat it sooner, so one that was lost, or an agent that went
/// silent on it, holds nothing up for long. Any thread.
class AppHealthBook {
 public:
  static constexpr Duration kHolds = std::chrono::seconds(30);

  explicit AppHealthBook(const Clock& clock) : clock_(clock) {}

  /// True when it differs from what was known.
  bool told(AgentId agent, std::vector<tunnel::AppHealth> apps);
  /// A new session: what an earlier one said counts no more.
  void forget(AgentId agent);

  /// Why the app cannot be reached; nullopt when nothing is known against it.
  std::optional<std::string> away(AgentId agent, std::string_view host, std::uint16_t port) const;
  std::vector<tunnel::AppHealth> apps(AgentId agent) const;

 private:
  struct Word {
    std::vector<tunnel::AppHealth> apps;
    SteadyTime at;
  };
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Word> words_;  // of agents that have said anything since they came
};

}  // namespace postern::relay
