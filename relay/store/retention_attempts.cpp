// Attempts belong to deliveries: the walk is over those.
#include "relay/store/listing.hpp"
#include "relay/store/retention_repository.hpp"

namespace postern::relay {
namespace {

struct Ended {
  std::int64_t row = 0;
  DeliveryId id;
  bool past = false;  ///< made before the time; the walk ends at the first that was not
  bool done = false;  ///< and nothing has happened to it since
};

}  // namespace

bool RetentionRepository::attempts_done(const RetentionJob& job, std::int64_t row) {
  return !exists(tx_, "SELECT 1 FROM delivery WHERE row = ?1 AND (state < 3 OR updated_at >= ?2)",
                 {row, rows::time(job.before)});
}

std::size_t RetentionRepository::remove_attempts(const RetentionJob& job, std::int64_t delivery_row) {
  return static_cast<std::size_t>(change(
      "DELETE FROM attempt WHERE row BETWEEN ?1 AND ?2 AND started_at < ?3",
      {rows::attempt_row(delivery_row, 0), rows::attempt_row(delivery_row, ~0U), rows::time(job.before)}));
}

RetentionBatch RetentionRepository::walk_attempts(const RetentionJob& job, Time now) {
  std::vector<Ended> found;
  tx_.query(
      fmt::format(
          "SELECT row, id, CASE WHEN created_at < ?3 THEN 1 ELSE 0 END, CASE WHEN state >= 3 AND updated_at "
          "< ?3 THEN 1 ELSE 0 END FROM delivery WHERE workspace_id = ?1 AND id > ?2 ORDER BY id LIMIT {}",
          kBatch),
      {rows::id(job.workspace_id), rows::id(mark(job).cursor), rows::time(job.before)}, [&](const Row& row) {
        found.push_back(
            {row.integer(0), rows::id_at<DeliveryId>(row, 1), row.integer(2) != 0, row.integer(3) != 0});
      });
  RetentionBatch batch;
  for (const Ended& delivery : found) {
    if (!delivery.past) break;
    ++batch.looked_at;
    if (delivery.done) {
      batch.removed += remove_attempts(job, delivery.row);
    } else {
      keep_on_list(job, delivery.row, now);
    }
  }
  if (batch.looked_at > 0) set_mark(job, {0, 0, found[batch.looked_at - 1].id});
  return batch;
}

}  // namespace postern::relay
