#include "relay/store/listing.hpp"

namespace postern::relay {

Result<void> ApiKeyRepository::create(const ApiKey& key) {
  auto made = tx_.execute(
      "INSERT INTO api_key (id, workspace_id, name, secret_digest, revoked, created_at) VALUES (?1, ?2, ?3, "
      "?4, ?5, ?6)",
      {rows::id(key.id), rows::id(key.workspace_id), key.name, Blob{key.secret_digest},
       std::int64_t{key.revoked}, rows::time(key.created_at)});
  if (!made) return fail("conflict", "That key is there already, or its workspace is not.");
  return {};
}

void ApiKeyRepository::revoke(KeyId id) {
  const auto changed = tx_.execute("UPDATE api_key SET revoked = 1 WHERE id = ?1", {rows::id(id)});
  if (!changed) throw StoreFault("a key that is revoked broke a constraint");
}

std::vector<ApiKey> ApiKeyRepository::all() {
  std::vector<ApiKey> found;
  tx_.query("SELECT id, workspace_id, name, secret_digest, revoked, created_at FROM api_key ORDER BY id", {},
            [&](const Row& row) {
              found.push_back({.id = rows::id_at<KeyId>(row, 0),
                               .workspace_id = rows::id_at<WorkspaceId>(row, 1),
                               .name = rows::text_at(row, 2),
                               .secret_digest = rows::blob_at(row, 3),
                               .revoked = row.integer(4) != 0,
                               .created_at = rows::time_at(row, 5)});
            });
  return found;
}

}  // namespace postern::relay
