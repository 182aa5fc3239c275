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
  static const std::string kSql = fmt::format(
      "INSERT INTO agent_session AS s (agent_id, node, generation, since) "
      "SELECT id, ?2, ?3, ?4 FROM agent WHERE id = ?1 "
      "ON CONFLICT (agent_id) DO UPDATE SET node = excluded.node, generation = excluded.generation, "
      "since = excluded.since WHERE s.generation <= excluded.generation "
      "OR NOT EXISTS (SELECT 1 FROM node n WHERE n.id = s.node AND {})",
      kAlive);
  must(tx_.execute(
      kSql, {rows::id(agent), std::int64_t{node}, static_cast<std::int64_t>(generation), rows::time(since)}));
}

void AgentSessionRepository::left(AgentId agent, int node) {
  must(tx_.execute("DELETE FROM agent_session WHERE agent_id = ?1 AND node = ?2",
                   {rows::id(agent), std::int64_t{node}}));
}

std::map<AgentId, AgentSession> AgentSessionRepository::between(WorkspaceId workspace, AgentId first,
                                                                AgentId last) {
  static const std::string kSql = fmt::format(
      "SELECT s.agent_id, n.label, s.since FROM agent_session s JOIN node n ON n.id = s.node "
      "JOIN agent a ON a.id = s.agent_id WHERE a.workspace_id = ?1 AND a.id >= ?2 AND a.id <= ?3 AND {}",
      kAlive);
  std::map<AgentId, AgentSession> found;
  tx_.query(kSql, {rows::id(workspace), rows::id(first), rows::id(last)}, [&](const Row& row) {
    found.emplace(rows::id_at<AgentId>(row, 0), AgentSession{rows::text_at(row, 1), rows::time_at(row, 2)});
  });
  return found;
}

}  // namespace postern::relay
