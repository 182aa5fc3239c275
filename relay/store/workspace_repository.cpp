#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, name, created_at, rate_per_second, rate_burst, retain_bodies, retain_events, retain_attempts";

std::optional<Duration> duration_or_none(const Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return rows::duration_at(row, column);
}

Value duration_value(const std::optional<Duration>& duration) {
  return duration ? Value(std::int64_t{duration->count()}) : Value(nullptr);
}

Workspace workspace_at(const Row& row) {
  return {.id = rows::id_at<WorkspaceId>(row, 0),
          .name = rows::text_at(row, 1),
          .created_at = rows::time_at(row, 2),
          .rate_per_second = static_cast<std::uint32_t>(row.integer(3)),
          .rate_burst = static_cast<std::uint32_t>(row.integer(4)),
          .retention = {duration_or_none(row, 5), duration_or_none(row, 6), duration_or_none(row, 7)}};
}

}  // namespace

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
  tx_.query(fmt::format("SELECT {} FROM workspace ORDER BY id", kColumns), {},
            [&](const Row& row) { found.push_back(workspace_at(row)); });
  return found;
}

Result<Workspace> WorkspaceRepository::get(WorkspaceId id) {
  auto found = find_one<Workspace>(tx_, fmt::format("SELECT {} FROM workspace WHERE id = ?1", kColumns),
                                   {rows::id(id)}, workspace_at);
  if (!found) return std::unexpected(not_found("workspace"));
  return std::move(*found);
}

Result<void> WorkspaceRepository::set_rate_limit(WorkspaceId id, std::uint32_t per_second,
                                                 std::uint32_t burst) {
  auto changed = tx_.execute("UPDATE workspace SET rate_per_second = ?2, rate_burst = ?3 WHERE id = ?1",
                             {rows::id(id), std::int64_t{per_second}, std::int64_t{burst}});
  if (!changed) return std::unexpected(changed.error());
  if (*changed == 0) return std::unexpected(not_found("workspace"));
  return {};
}

Result<void> WorkspaceRepository::set_retention(WorkspaceId id, const RetentionOverrides& retention) {
  auto done = tx_.execute(
      "UPDATE workspace SET retain_bodies = ?2, retain_events = ?3, retain_attempts = ?4 WHERE id = ?1",
      {rows::id(id), duration_value(retention.bodies), duration_value(retention.events),
       duration_value(retention.attempts)});
  if (!done) return std::unexpected(done.error());
  if (*done == 0) return std::unexpected(not_found("workspace"));
  return {};
}

Result<void> WorkspaceRepository::load_data_keys(Keyring& keyring) {
  Result<void> outcome;
  tx_.query("SELECT id, data_key_sealed FROM workspace", {}, [&](const Row& row) {
    if (outcome) outcome = keyring.load(rows::id_at<WorkspaceId>(row, 0), row.blob(1));
  });
  return outcome;
}

}  // namespace postern::relay
