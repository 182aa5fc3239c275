#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "relay/model.hpp"
#include "relay/store/database.hpp"

namespace postern::relay {

/// An agent's session, as all nodes see it.
struct AgentSession {
  std::string node;  ///< the label of the node that holds it (cluster.name)
  Time since;
  bool operator==(const AgentSession&) const = default;
};

/// Which node holds which agent's session. PostgreSQL only: a node that stands alone knows it in memory.
///
/// What is written stands for as long as its node is alive (NodeLeases): a node that was killed has left with
/// its lease, one that was taken for dead must write again under its new number.
class AgentSessionRepository {
 public:
  explicit AgentSessionRepository(Transaction& tx) : tx_(tx) {}

  /// Nothing happens when a later login of the agent, with a higher generation, was written before by a node
  /// that is alive, or when the agent has been deleted.
  void arrived(AgentId agent, int node, std::uint64_t generation, Time since);
  /// Takes back only what this node has written: the agent may be elsewhere by now.
  void left(AgentId agent, int node);
  /// Of the workspace's agents from `first` to `last`, those that hold one now.
  std::map<AgentId, AgentSession> between(WorkspaceId workspace, AgentId first, AgentId last);

 private:
  Transaction& tx_;
};

}  // namespace postern::relay
