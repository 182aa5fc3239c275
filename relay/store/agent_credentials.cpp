// AgentRepository, the part about secrets that change and states that were copied.

#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

struct Known {
  LastLogin last;
  std::uint32_t key_epoch = 0;
  std::string stored_key, next_stored_key;
  bool enrolled = false;
  OnCopy on_copy = OnCopy::alert;
};

std::optional<Known> row_of(Transaction& tx, AgentId id) {
  std::optional<Known> found;
  tx.query(
      "SELECT generation, instance_id, key_epoch, stored_key, next_stored_key, state, on_copy "
      "FROM agent WHERE id = ?1",
      {rows::id(id)}, [&](const Row& row) {
        found = Known{{static_cast<std::uint64_t>(row.integer(0)), rows::blob_at(row, 1)},
                      static_cast<std::uint32_t>(row.integer(2)),
                      rows::blob_at(row, 3),
                      rows::blob_at(row, 4),
                      rows::enum_at(row, 5, AgentState::revoked) == AgentState::enrolled,
                      rows::enum_at(row, 6, OnCopy::deny)};
      });
  return found;
}

Result<void> done(const Result<std::int64_t>& changed) {
  if (!changed) return std::unexpected(changed.error());
  return {};
}

/// The next secret is the one in use from here on.
Result<void> promote(Transaction& tx, AgentId id, Time now) {
  return done(tx.execute(
      "UPDATE agent SET stored_key = next_stored_key, server_key_sealed = next_server_key_sealed, "
      "next_stored_key = ?2, next_server_key_sealed = ?2, key_epoch = key_epoch + 1, keyed_at = ?3, "
      "rotation_asked_at = NULL WHERE id = ?1",
      {rows::id(id), Blob{}, rows::time(now)}));
}

bool waits_for(const Known& row, std::uint32_t key_epoch) {
  return !row.next_stored_key.empty() && key_epoch == row.key_epoch + 1;
}

}  // namespace

Result<void> AgentRepository::set_next_secret(const NextSecret& next, Time now) {
  auto row = row_of(tx_, next.agent);
  if (!row || !row->enrolled) return std::unexpected(not_found("agent"));
  if (row->next_stored_key == next.stored_key && next.key_epoch == row->key_epoch + 1) return {};
  if (row->stored_key == next.stored_key) return {};  // told again, and it is in use already
  // Its login has not been written down, or not yet.
  if (waits_for(*row, next.proven_epoch) && next.proven_key == row->next_stored_key) {
    if (auto moved = promote(tx_, next.agent, now); !moved) return moved;
    row = row_of(tx_, next.agent);
  }
  if (next.proven_key != row->stored_key || next.key_epoch != row->key_epoch + 1)
    return fail("superseded", "The session was opened with a secret that is not the agent's any more.");
  const std::string place = "agent.server_key/" + next.agent.to_string();
  return done(tx_.execute("UPDATE agent SET next_stored_key = ?2, next_server_key_sealed = ?3 WHERE id = ?1",
                          {rows::id(next.agent), Blob{next.stored_key},
                           Blob{keyring_.seal(next.workspace, next.server_key, place)}}));
}

Result<LoginFindings> AgentRepository::record_login(const AgentLogin& login, Time now) {
  const auto row = row_of(tx_, login.agent);
  if (!row) return std::unexpected(not_found("agent"));
  LoginFindings found{.rotated = waits_for(*row, login.key_epoch), .copy = shows_a_copy(row->last, login)};
  if (found.rotated) {
    if (auto moved = promote(tx_, login.agent, now); !moved) return std::unexpected(moved.error());
  }
  if (found.copy) {
    if (auto noted = suspect_copy(login.agent, login.peer, now); !noted)
      return std::unexpected(noted.error());
  }
  const std::string instance(reinterpret_cast<const char*>(login.instance.data()), login.instance.size());
  // A copy that is refused has been given a number all the same: it must stay behind, and the other one the
  // last.
  const bool refused = found.copy && row->on_copy == OnCopy::deny;
  const std::uint64_t newest = std::max(row->last.generation, login.generation) + (refused ? 1 : 0);
  const bool stays = refused || login.generation < row->last.generation;
  auto touched =
      tx_.execute("UPDATE agent SET generation = ?2, instance_id = ?3, last_seen_at = ?4 WHERE id = ?1",
                  {rows::id(login.agent), static_cast<std::int64_t>(newest),
                   Blob{stays ? row->last.instance : instance}, rows::time(now)});
  if (!touched) return std::unexpected(touched.error());
  return found;
}

Result<void> AgentRepository::suspect_copy(AgentId id, std::string_view peer, Time now) {
  return done(tx_.execute("UPDATE agent SET copy_suspected_at = ?2, copy_suspected_from = ?3 WHERE id = ?1",
                          {rows::id(id), rows::time(now), std::string(peer)}));
}

Result<void> AgentRepository::ask_rotation(WorkspaceId workspace, AgentId id, Time now) {
  auto changed = tx_.execute(
      "UPDATE agent SET rotation_asked_at = ?3 WHERE id = ?1 AND workspace_id = ?2 AND state = ?4",
      {rows::id(id), rows::id(workspace), rows::time(now), rows::number(AgentState::enrolled)});
  if (!changed) return std::unexpected(changed.error());
  if (*changed > 0) return {};
  const auto agent = get(workspace, id);
  if (!agent) return std::unexpected(agent.error());
  return fail("conflict", "The agent has no secret: it has not joined, or was revoked.");
}

Result<void> AgentRepository::set_on_copy(WorkspaceId workspace, AgentId id, OnCopy on_copy) {
  auto changed = tx_.execute("UPDATE agent SET on_copy = ?3 WHERE id = ?1 AND workspace_id = ?2",
                             {rows::id(id), rows::id(workspace), rows::number(on_copy)});
  if (!changed) return std::unexpected(changed.error());
  if (*changed == 0) return std::unexpected(not_found("agent"));
  return {};
}

Result<void> AgentRepository::clear_copy(WorkspaceId workspace, AgentId id, Time now) {
  auto changed = tx_.execute(
      "UPDATE agent SET copy_suspected_at = NULL, copy_suspected_from = ?3, copy_cleared_at = ?4, "
      "instance_id = ?5 WHERE id = ?1 AND workspace_id = ?2",
      {rows::id(id), rows::id(workspace), std::string(), rows::time(now), Blob{}});
  if (!changed) return std::unexpected(changed.error());
  if (*changed == 0) return std::unexpected(not_found("agent"));
  return {};
}

}  // namespace postern::relay
