// AgentRepository, the part about join tokens.

#include "base/bytes.hpp"
#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, agent_id, workspace_id, stored_key, server_key_sealed, expires_at, claim_digest";

std::string key_place(JoinId id) {
  return "enrollment.server_key/" + id.to_string();
}

Enrollment enrollment_at(const Row& row, const Keyring& keyring) {
  Enrollment it;
  it.id = rows::id_at<JoinId>(row, 0);
  it.agent_id = rows::id_at<AgentId>(row, 1);
  it.workspace_id = rows::id_at<WorkspaceId>(row, 2);
  it.stored_key = rows::blob_at(row, 3);
  it.server_key = must_open(keyring, it.workspace_id, row.blob(4), key_place(it.id));
  it.expires_at = rows::time_at(row, 5);
  it.claim_digest = rows::blob_at(row, 6);
  return it;
}

}  // namespace

Result<void> AgentRepository::create_enrollment(const Enrollment& enrollment) {
  const Value agent = rows::id(enrollment.agent_id);
  const Value workspace = rows::id(enrollment.workspace_id);
  if (!exists(tx_, "SELECT 1 FROM agent WHERE id = ?1 AND workspace_id = ?2", {agent, workspace})) {
    return std::unexpected(not_found("agent"));
  }
  auto gone =
      tx_.execute("DELETE FROM enrollment WHERE agent_id = ?1 AND claim_digest = ?2", {agent, Blob{}});
  if (!gone) return std::unexpected(gone.error());
  auto made = tx_.execute(
      fmt::format("INSERT INTO enrollment ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", kColumns),
      {rows::id(enrollment.id), agent, workspace, Blob{enrollment.stored_key},
       Blob{keyring_.seal(enrollment.workspace_id, enrollment.server_key, key_place(enrollment.id))},
       rows::time(enrollment.expires_at), Blob{enrollment.claim_digest}});
  if (!made) return fail("conflict", "There is an enrollment with that id already.");
  return {};
}

Result<Enrollment> AgentRepository::enrollment(JoinId id) {
  auto found =
      find_one<Enrollment>(tx_, fmt::format("SELECT {} FROM enrollment WHERE id = ?1", kColumns),
                           {rows::id(id)}, [&](const Row& row) { return enrollment_at(row, keyring_); });
  if (!found) return std::unexpected(not_found("enrollment"));
  return std::move(*found);
}

Result<AgentId> AgentRepository::claim(JoinId id, std::string_view claim_digest, std::string_view stored_key,
                                       std::string_view server_key, std::string_view facts_json, Time now) {
  const auto open = enrollment(id);
  if (!open) return std::unexpected(open.error());
  if (now >= open->expires_at) return fail("expired", "The join token has expired; ask for a new one.");
  if (!open->claim_digest.empty()) {
    if (constant_time_equal(open->claim_digest, claim_digest)) return open->agent_id;
    return fail("conflict", "The join token was used already.");
  }
  auto marked = tx_.execute("UPDATE enrollment SET claim_digest = ?2 WHERE id = ?1 AND claim_digest = ?3",
                            {rows::id(id), Blob{std::string(claim_digest)}, Blob{}});
  if (!marked) return std::unexpected(marked.error());
  const std::string place = "agent.server_key/" + open->agent_id.to_string();
  auto enrolled = tx_.execute(
      "UPDATE agent SET state = ?3, stored_key = ?4, server_key_sealed = ?5, facts_json = ?6, "
      "next_stored_key = ?7, "
      "next_server_key_sealed = ?7, key_epoch = 0, keyed_at = ?8, rotation_asked_at = NULL, instance_id = ?7 "
      "WHERE id = ?1 AND workspace_id = ?2",
      {rows::id(open->agent_id), rows::id(open->workspace_id), rows::number(AgentState::enrolled),
       Blob{std::string(stored_key)}, Blob{keyring_.seal(open->workspace_id, server_key, place)},
       std::string(facts_json), Blob{}, rows::time(now)});
  if (!enrolled) return std::unexpected(enrolled.error());
  if (*enrolled == 0) return std::unexpected(not_found("agent"));
  return open->agent_id;
}

}  // namespace postern::relay
