#pragma once
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"
#include "relay/store/agent_login.hpp"

namespace postern::relay {

/// The last login of each agent with this node: what a refusal of copies needs at once, before the store
/// could answer. The store, which knows of all nodes, looks again when it writes the login down. As many
/// entries as there are agents. Safe from any thread.
class LoginBook {
 public:
  void remember(const AgentLogin& login, Time now) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[login.agent];
    if (login.generation < entry.last.generation && entry.at > Time{}) return;
    const auto* instance = reinterpret_cast<const char*>(login.instance.data());
    entry = {{login.generation, std::string(instance, login.instance.size())}, now};
  }
  /// It has joined anew: what its state shows begins again.
  void forget(AgentId agent) {
    const std::lock_guard lock(mutex_);
    entries_.erase(agent);
  }
  /// Nothing from before `cleared_at`, when a person called an alarm off.
  LastLogin last(AgentId agent, std::optional<Time> cleared_at) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(agent);
    if (found == entries_.end() || (cleared_at && found->second.at <= *cleared_at)) return {};
    return found->second.last;
  }

 private:
  struct Entry {
    LastLogin last;
    Time at{};
  };
  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Entry> entries_;
};

}  // namespace postern::relay
