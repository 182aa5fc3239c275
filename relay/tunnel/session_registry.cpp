#include "relay/tunnel/session_registry.hpp"

#include "relay/tunnel/hub_session.hpp"

namespace postern::relay {

void SessionRegistry::add_connection(const Ptr& session) {
  const std::lock_guard lock(mutex_);
  connections_.insert(session);
}

void SessionRegistry::remove_connection(const Ptr& session) {
  const std::lock_guard lock(mutex_);
  connections_.erase(session);
}

SessionRegistry::Ptr SessionRegistry::take(AgentId agent, const Ptr& session, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  generations_[agent] = std::max(generations_[agent], generation);
  return std::exchange(agents_[agent], session);
}

std::uint64_t SessionRegistry::generation(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto found = generations_.find(agent);
  return found == generations_.end() ? 0 : found->second;
}

bool SessionRegistry::drop(AgentId agent, const Ptr& session) {
  const std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  if (found == agents_.end() || found->second != session) return false;
  agents_.erase(found);
  return true;
}

SessionRegistry::Ptr SessionRegistry::find(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  return found == agents_.end() ? nullptr : found->second;
}

std::vector<SessionRegistry::Ptr> SessionRegistry::connections() const {
  const std::lock_guard lock(mutex_);
  return {connections_.begin(), connections_.end()};
}

std::size_t SessionRegistry::connection_count() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::size_t SessionRegistry::session_count() const {
  const std::lock_guard lock(mutex_);
  return agents_.size();
}

}  // namespace postern::relay
