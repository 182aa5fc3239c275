#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, workspace_id, name, state, stored_key, server_key_sealed, generation, facts_json, last_seen_at, "
    "created_at, replicas, next_stored_key, next_server_key_sealed, key_epoch, keyed_at, rotation_asked_at, "
    "on_copy, "
    "copy_suspected_at, copy_suspected_from, copy_cleared_at";
constexpr std::string_view kCreated =
    "id, workspace_id, name, state, stored_key, server_key_sealed, generation, facts_json, last_seen_at, "
    "created_at, replicas";

std::string key_place(AgentId id) {
  return "agent.server_key/" + id.to_string();
}

std::optional<Time> time_or_none(const Row& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(rows::time_at(row, column));
}

Agent agent_at(const Row& row, const Keyring& keyring) {
  Agent agent;
  agent.id = rows::id_at<AgentId>(row, 0);
  agent.workspace_id = rows::id_at<WorkspaceId>(row, 1);
  agent.name = rows::text_at(row, 2);
  agent.state = rows::enum_at(row, 3, AgentState::revoked);
  agent.stored_key = rows::blob_at(row, 4);
  if (!row.blob(5).empty())
    agent.server_key = must_open(keyring, agent.workspace_id, row.blob(5), key_place(agent.id));
  agent.generation = static_cast<std::uint64_t>(row.integer(6));
  agent.facts_json = rows::text_at(row, 7);
  if (!row.is_null(8)) agent.last_seen_at = rows::time_at(row, 8);
  agent.created_at = rows::time_at(row, 9);
  agent.replicas = row.integer(10) != 0;
  agent.next_stored_key = rows::blob_at(row, 11);
  if (!row.blob(12).empty())
    agent.next_server_key = must_open(keyring, agent.workspace_id, row.blob(12), key_place(agent.id));
  agent.key_epoch = static_cast<std::uint32_t>(row.integer(13));
  agent.keyed_at = time_or_none(row, 14);
  agent.rotation_asked_at = time_or_none(row, 15);
  agent.on_copy = rows::enum_at(row, 16, OnCopy::deny);
  agent.copy_suspected_at = time_or_none(row, 17);
  agent.copy_suspected_from = rows::text_at(row, 18);
  agent.copy_cleared_at = time_or_none(row, 19);
  return agent;
}

Result<void> one_changed(const Result<std::int64_t>& changed) {
  if (!changed) return std::unexpected(name_taken("agent"));
  if (*changed == 0) return std::unexpected(not_found("agent"));
  return {};
}

}  // namespace

Result<void> AgentRepository::create(const Agent& agent) {
  Blob server_key;
  if (!agent.server_key.empty()) {
    server_key = {keyring_.seal(agent.workspace_id, agent.server_key, key_place(agent.id))};
  }
  const Value seen = agent.last_seen_at ? Value(rows::time(*agent.last_seen_at)) : Value(nullptr);
  auto made = tx_.execute(
      fmt::format("INSERT INTO agent ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", kCreated),
      {rows::id(agent.id), rows::id(agent.workspace_id), agent.name, rows::number(agent.state),
       Blob{agent.stored_key}, std::move(server_key), static_cast<std::int64_t>(agent.generation),
       agent.facts_json, seen, rows::time(agent.created_at), std::int64_t{agent.replicas}});
  if (!made) return std::unexpected(name_taken("agent"));
  return {};
}

Result<void> AgentRepository::update(WorkspaceId workspace, AgentId id, std::string_view name,
                                     bool replicas) {
  return one_changed(
      tx_.execute("UPDATE agent SET name = ?3, replicas = ?4 WHERE id = ?1 AND workspace_id = ?2",
                  {rows::id(id), rows::id(workspace), std::string(name), std::int64_t{replicas}}));
}

Result<void> AgentRepository::revoke(WorkspaceId workspace, AgentId id) {
  auto changed = one_changed(tx_.execute(
      "UPDATE agent SET state = ?3, stored_key = ?4, server_key_sealed = ?4, next_stored_key = ?4, "
      "next_server_key_sealed = ?4, rotation_asked_at = NULL "
      "WHERE id = ?1 AND workspace_id = ?2",
      {rows::id(id), rows::id(workspace), rows::number(AgentState::revoked), Blob{}}));
  if (!changed) return changed;
  auto gone = tx_.execute("DELETE FROM enrollment WHERE agent_id = ?1", {rows::id(id)});
  if (!gone) return std::unexpected(gone.error());
  return {};
}

Result<void> AgentRepository::remove(WorkspaceId workspace, AgentId id) {
  auto gone = tx_.execute("DELETE FROM agent WHERE id = ?1 AND workspace_id = ?2",
                          {rows::id(id), rows::id(workspace)});
  if (!gone) return fail("in_use", "A destination still goes to this agent; delete or change it first.");
  if (*gone == 0) return std::unexpected(not_found("agent"));
  return {};
}

Result<Agent> AgentRepository::get(WorkspaceId workspace, AgentId id) {
  auto found = find_one<Agent>(
      tx_, fmt::format("SELECT {} FROM agent WHERE id = ?1 AND workspace_id = ?2", kColumns),
      {rows::id(id), rows::id(workspace)}, [&](const Row& row) { return agent_at(row, keyring_); });
  if (!found) return std::unexpected(not_found("agent"));
  return std::move(*found);
}

Listing<Agent> AgentRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<Agent>(
      tx_,
      fmt::format("SELECT {} FROM agent WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                  kColumns),
      workspace, page, [&](const Row& row) { return agent_at(row, keyring_); });
}

std::vector<Agent> AgentRepository::all() {
  std::vector<Agent> found;
  tx_.query(fmt::format("SELECT {} FROM agent ORDER BY id", kColumns), {},
            [&](const Row& row) { found.push_back(agent_at(row, keyring_)); });
  return found;
}

}  // namespace postern::relay
