#include "control/store_metrics.hpp"

namespace postern::control {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(std::string name, std::string help, MetricType type, double value) {
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {std::move(name), std::move(help), type, {std::move(metric)}};
}

MetricFamily counter(std::string name, std::string help, std::uint64_t value) {
  return family(std::move(name), std::move(help), MetricType::Counter, static_cast<double>(value));
}

MetricFamily gauge(std::string name, std::string help, double value) {
  return family(std::move(name), std::move(help), MetricType::Gauge, value);
}

MetricFamily build_info() {
  MetricFamily info = gauge("postern_build_info", "The version that runs", 1);
  info.metric.front().label = {{"version", POSTERN_VERSION}};
  return info;
}

}  // namespace

std::vector<MetricFamily> StoreMetrics::Collect() const {
  const relay::StoreStats writer = store_.database->stats();
  const relay::EventLogStats log = store_.event_log->stats();
  std::vector<MetricFamily> all{
      gauge("postern_store_queue_depth", "Writes that wait", static_cast<double>(writer.queue_depth)),
      counter("postern_store_commits_total", "Durable commits", writer.commits),
      counter("postern_store_tasks_total", "Writes in those commits", writer.tasks),
      family("postern_store_commit_seconds_total", "Time spent committing", MetricType::Counter,
             static_cast<double>(writer.commit_micros) / 1e6),
      counter("postern_store_checkpoints_total", "Moves of the log into the database", writer.checkpoints),
      gauge("postern_store_log_pages", "Pages in the write-ahead log", writer.log_pages),
      gauge("postern_store_disk_free_bytes", "Free disk", static_cast<double>(writer.disk_free_bytes)),
      gauge("postern_store_ingest_allowed", "0 below the low-water mark, or when the store broke",
            writer.ingest_allowed ? 1 : 0),
      counter("postern_events_stored_total", "Events stored by this process", log.events),
      counter("postern_store_days_dropped_total", "Tables of a day dropped whole as past their retention",
              log.days_dropped),
      counter("postern_events_duplicate_total", "Repeats recognised by this process", log.duplicates)};
  all.push_back(build_info());
  return all;
}

}  // namespace postern::control
