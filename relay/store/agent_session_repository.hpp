#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "relay/model.hpp"
#include "relay/store/database.hpp"

namespace postern::relay {

/// Where an agent can be delivered to, as all nodes see it.
struct AgentSession {
  std::string node;                ///< the label (cluster.name) of the node of the newest session
  Time since;                      ///< of that one
  std::vector<std::string> nodes;  ///< of all of them, the newest first
  bool operator==(const AgentSession&) const = default;
};

/// Which nodes hold sessions of which agent. PostgreSQL only: a node that stands alone knows it in memory.
///
/// What is written stands for as long as its node is alive (NodeLeases): a node that was killed has left with
/// its lease, one that was taken for dead must write again under its new number.
class AgentSessionRepository {
 public:
  explicit AgentSessionRepository(Transaction& tx) : tx_(tx) {}

  /// Nothing happens when the agent has been deleted.
  void arrived(AgentId agent, int node, std::uint64_t generation, Time since);
  /// Takes back what this node has written; the agent may be elsewhere too.
  void left(AgentId agent, int node);
  /// Of the workspace's agents from `first` to `last`, those that hold one now.
  std::map<AgentId, AgentSession> between(WorkspaceId workspace, AgentId first, AgentId last);

 private:
  Transaction& tx_;
};

}  // namespace postern::relay
