#include "relay/store/listing.hpp"

namespace postern::relay {

void AuditRepository::add(const AuditEntry& entry) {
  auto made = tx_.execute(
      "INSERT INTO audit (id, workspace_id, actor, action, object, detail_json, at) VALUES (?1, ?2, ?3, ?4, "
      "?5, ?6, ?7)",
      {rows::id(entry.id), rows::id(entry.workspace_id), entry.actor, entry.action, entry.object,
       entry.detail_json, rows::time(entry.at)});
  if (!made) throw StoreFault("an audit entry with that id is there already");
}

Listing<AuditEntry> AuditRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<AuditEntry>(tx_,
                                "SELECT id, workspace_id, actor, action, object, detail_json, at FROM audit "
                                "WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                                workspace, page, [](const Row& row) {
                                  return AuditEntry{.id = rows::id_at<AuditId>(row, 0),
                                                    .workspace_id = rows::id_at<WorkspaceId>(row, 1),
                                                    .actor = rows::text_at(row, 2),
                                                    .action = rows::text_at(row, 3),
                                                    .object = rows::text_at(row, 4),
                                                    .detail_json = rows::text_at(row, 5),
                                                    .at = rows::time_at(row, 6)};
                                });
}

}  // namespace postern::relay
