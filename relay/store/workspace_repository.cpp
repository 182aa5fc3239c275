#include "relay/store/listing.hpp"

namespace postern::relay {

Result<void> WorkspaceRepository::create(const Workspace& workspace, const Keyring& keyring) {
  auto made = tx_.execute(
      "INSERT INTO workspace (id, name, data_key_sealed, created_at, rate_per_second, rate_burst) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
      {rows::id(workspace.id), workspace.name, Blob{keyring.new_data_key(workspace.id)},
       rows::time(workspace.created_at), std::int64_t{workspace.rate_per_second},
       std::int64_t{workspace.rate_burst}});
  if (!made) return std::unexpected(name_taken("workspace"));
  return {};
}

std::vector<Workspace> WorkspaceRepository::all() {
  std::vector<Workspace> found;
  tx_.query("SELECT id, name, created_at, rate_per_second, rate_burst FROM workspace ORDER BY id", {},
            [&](const Row& row) {
              found.push_back({rows::id_at<WorkspaceId>(row, 0), rows::text_at(row, 1), rows::time_at(row, 2),
                               static_cast<std::uint32_t>(row.integer(3)),
                               static_cast<std::uint32_t>(row.integer(4))});
            });
  return found;
}

Result<void> WorkspaceRepository::load_data_keys(Keyring& keyring) {
  Result<void> outcome;
  tx_.query("SELECT id, data_key_sealed FROM workspace", {}, [&](const Row& row) {
    if (outcome) outcome = keyring.load(rows::id_at<WorkspaceId>(row, 0), row.blob(1));
  });
  return outcome;
}

}  // namespace postern::relay
