#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr auto kKept = std::chrono::hours(24);

}  // namespace

std::optional<IdempotencyRepository::Kept> IdempotencyRepository::find(WorkspaceId workspace,
                                                                       std::string_view key, Time now) {
  return find_one<Kept>(tx_,
                        "SELECT request_digest, status, body FROM idempotency "
                        "WHERE workspace_id = ?1 AND key = ?2 AND kept_at > ?3",
                        {rows::id(workspace), std::string(key), rows::time(now - kKept)}, [](const Row& row) {
                          return Kept{rows::blob_at(row, 0), static_cast<int>(row.integer(1)),
                                      rows::blob_at(row, 2)};
                        });
}

void IdempotencyRepository::keep(WorkspaceId workspace, std::string_view key, const Kept& kept, Time now) {
  const auto must = [](const Result<std::int64_t>& done) {
    if (!done) throw StoreFault("idempotency: " + done.error().message);
  };
  // In steps: one request pays for a few old ones, never for a whole day's.
  must(tx_.execute(
      "DELETE FROM idempotency WHERE (workspace_id, key) IN "
      "(SELECT workspace_id, key FROM idempotency WHERE kept_at <= ?1 ORDER BY kept_at LIMIT 100)",
      {rows::time(now - kKept)}));
  must(
      tx_.execute("INSERT INTO idempotency (workspace_id, key, request_digest, status, body, kept_at) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (workspace_id, key) DO UPDATE SET "
                  "request_digest = ?3, status = ?4, body = ?5, kept_at = ?6",
                  {rows::id(workspace), std::string(key), Blob{kept.request_digest},
                   std::int64_t{kept.status}, Blob{kept.body}, rows::time(now)}));
}

}  // namespace postern::relay
