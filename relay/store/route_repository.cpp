#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, workspace_id, source_id, destination_id, enabled, created_at, filter, transform";

Route route_at(const Row& row) {
  return {.id = rows::id_at<RouteId>(row, 0),
          .workspace_id = rows::id_at<WorkspaceId>(row, 1),
          .source_id = rows::id_at<SourceId>(row, 2),
          .destination_id = rows::id_at<DestinationId>(row, 3),
          .enabled = row.integer(4) != 0,
          .created_at = rows::time_at(row, 5),
          .filter = rows::text_at(row, 6),
          .transform = rows::text_at(row, 7)};
}

}  // namespace

Result<void> RouteRepository::create(const Route& route) {
  const Value workspace = rows::id(route.workspace_id);
  if (!exists(tx_, "SELECT 1 FROM source WHERE id = ?1 AND workspace_id = ?2",
              {rows::id(route.source_id), workspace})) {
    return std::unexpected(not_found("source"));
  }
  if (!exists(tx_, "SELECT 1 FROM destination WHERE id = ?1 AND workspace_id = ?2",
              {rows::id(route.destination_id), workspace})) {
    return std::unexpected(not_found("destination"));
  }
  auto made =
      tx_.execute(fmt::format("INSERT INTO route ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", kColumns),
                  {rows::id(route.id), workspace, rows::id(route.source_id), rows::id(route.destination_id),
                   std::int64_t{route.enabled}, rows::time(route.created_at), route.filter, route.transform});
  if (!made) return fail("name_taken", "There is a route from that source to that destination already.");
  return {};
}

Result<void> RouteRepository::update(const Route& route) {
  auto changed = tx_.execute(
      "UPDATE route SET enabled = ?3, filter = ?4, transform = ?5 WHERE id = ?1 AND workspace_id = ?2",
      {rows::id(route.id), rows::id(route.workspace_id), std::int64_t{route.enabled}, route.filter,
       route.transform});
  if (!changed) return std::unexpected(changed.error());
  if (*changed == 0) return std::unexpected(not_found("route"));
  return {};
}

Result<void> RouteRepository::remove(WorkspaceId workspace, RouteId id) {
  auto gone = tx_.execute("DELETE FROM route WHERE id = ?1 AND workspace_id = ?2",
                          {rows::id(id), rows::id(workspace)});
  if (!gone) return std::unexpected(gone.error());
  if (*gone == 0) return std::unexpected(not_found("route"));
  return {};
}

Result<Route> RouteRepository::get(WorkspaceId workspace, RouteId id) {
  auto found =
      find_one<Route>(tx_, fmt::format("SELECT {} FROM route WHERE id = ?1 AND workspace_id = ?2", kColumns),
                      {rows::id(id), rows::id(workspace)}, route_at);
  if (!found) return std::unexpected(not_found("route"));
  return std::move(*found);
}

Listing<Route> RouteRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<Route>(
      tx_,
      fmt::format("SELECT {} FROM route WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                  kColumns),
      workspace, page, route_at);
}

std::vector<Route> RouteRepository::all() {
  std::vector<Route> found;
  tx_.query(fmt::format("SELECT {} FROM route ORDER BY id", kColumns), {},
            [&](const Row& row) { found.push_back(route_at(row)); });
  return found;
}

}  // namespace postern::relay
