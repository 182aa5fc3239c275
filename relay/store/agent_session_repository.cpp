#include "relay/store/agent_session_repository.hpp"

#include "relay/store/rows.hpp"

namespace postern::relay {
namespace {

// n is the row's node.
constexpr std::string_view kAlive = "n.buried_at IS NULL AND n.lease_until > now()";

void must(const Result<std::int64_t>& done) {
  if (!done) throw StoreFault(done.error().message);
}

}  // namespace

void AgentSessionRepository::arrived(AgentId agent, int node, std::uint64_t generation, Time since) {
  must(tx_.execute(
      "INSERT INTO agent_session (agent_id, node, generation, since) "
      "SELECT id, ?2, ?3, ?4 FROM agent WHERE id = ?1 "
      "ON CONFLICT (agent_id, node) DO UPDATE SET generation = excluded.generation, "
      "since = excluded.since",
      {rows::id(agent), std::int64_t{node}, static_cast<std::int64_t>(generation), rows::time(since)}));
}

void AgentSessionRepository::left(AgentId agent, int node) {
  must(tx_.execute("DELETE FROM agent_session WHERE agent_id = ?1 AND node = ?2",
                   {rows::id(agent), std::int64_t{node}}));
}

std::map<AgentId, AgentSession> AgentSessionRepository::between(WorkspaceId workspace, AgentId first,
                                                                AgentId last) {
  static const std::string kSql = fmt::format(
      "SELECT s.agent_id, n.label, s.since FROM agent_session s JOIN node n ON n.id = s.node "
      "JOIN agent a ON a.id = s.agent_id WHERE a.workspace_id = ?1 AND a.id >= ?2 AND a.id <= ?3 AND {} "
      "ORDER BY s.generation DESC, s.since DESC",
      kAlive);
  std::map<AgentId, AgentSession> found;
  tx_.query(kSql, {rows::id(workspace), rows::id(first), rows::id(last)}, [&](const Row& row) {
    std::string node = rows::text_at(row, 1);
    const auto [at, newest] = found.try_emplace(rows::id_at<AgentId>(row, 0));
    if (newest) at->second = {node, rows::time_at(row, 2), {}};
    at->second.nodes.push_back(std::move(node));
  });
  return found;
}

}  // namespace postern::relay
