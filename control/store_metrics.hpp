#pragma once
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "relay/store/open_store.hpp"

namespace postern::control {

/// The store's own numbers, read when somebody asks. Safe from any thread; the store outlives it.
///   postern_store_queue_depth, postern_store_commits_total, postern_store_tasks_total (tasks a commit: the
///   size of its group), postern_store_commit_seconds_total, postern_store_checkpoints_total,
///   postern_store_log_pages, postern_store_disk_free_bytes, postern_store_ingest_allowed,
///   postern_store_days_dropped_total, postern_events_stored_total, postern_events_duplicate_total,
///   postern_build_info{version}
class StoreMetrics final : public prometheus::Collectable {
 public:
  explicit StoreMetrics(const relay::Store& store) : store_(store) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const relay::Store& store_;
};

}  // namespace postern::control
