#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/id.hpp"

namespace postern::relay {

class HubSession;

/// Which session delivers for an agent, and which connections there are. Safe from any thread; a lock is held
/// for one look-up at a time and never across a call.
class SessionRegistry {
 public:
  using Ptr = std::shared_ptr<HubSession>;

  void add_connection(const Ptr& session);
  void remove_connection(const Ptr& session);

  /// Makes `session` the agent's; the one it takes over from, or null.
  Ptr take(AgentId agent, const Ptr& session, std::uint64_t generation);
  /// The newest generation that take() has seen of this agent; 0 for none. The catalog may be behind.
  std::uint64_t generation(AgentId agent) const;
  /// Ends `session`'s time; false when it was not the agent's any more, and then nothing changes: the end of
  /// an old session never takes away the new one.
  bool drop(AgentId agent, const Ptr& session);

  Ptr find(AgentId agent) const;
  std::vector<Ptr> connections() const;
  std::size_t connection_count() const;
  std::size_t session_count() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Ptr> agents_;
  std::unordered_set<Ptr> connections_;
  std::unordered_map<AgentId, std::uint64_t> generations_;  // as many as there are agents
};

}  // namespace postern::relay
