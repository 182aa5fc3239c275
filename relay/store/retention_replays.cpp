// What is left of replays that are over.
#include "relay/store/listing.hpp"
#include "relay/store/retention_repository.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kOver =
    "FROM replay WHERE workspace_id = ?1 AND state <> 0 AND finished_at < ?2 ORDER BY id LIMIT 1";

}  // namespace

bool RetentionRepository::has_old_replays(const RetentionJob& job) {
  return exists(tx_, fmt::format("SELECT 1 {}", kOver), {rows::id(job.workspace_id), rows::time(job.before)});
}

/// One at a time, and of one that made many a part at a time.
std::size_t RetentionRepository::forget_replays(const RetentionJob& job) {
  const auto over = find_one<ReplayId>(tx_, fmt::format("SELECT id {}", kOver),
                                       {rows::id(job.workspace_id), rows::time(job.before)},
                                       [](const Row& row) { return rows::id_at<ReplayId>(row, 0); });
  if (!over) return 0;
  const auto forgotten = static_cast<std::size_t>(change(
      fmt::format(
          "DELETE FROM replay_delivery WHERE replay_id = ?1 AND delivery_id IN (SELECT delivery_id FROM "
          "replay_delivery WHERE replay_id = ?1 LIMIT {})",
          kBatch),
      {rows::id(*over)}));
  if (forgotten < kBatch) change("DELETE FROM replay WHERE id = ?1", {rows::id(*over)});
  return forgotten + 1;
}

}  // namespace postern::relay
