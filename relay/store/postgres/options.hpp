#pragma once
#include <functional>
#include <string>

#include "relay/retention_times.hpp"
#include "relay/store/postgres/connection.hpp"

namespace postern::relay {

struct PostgresOptions {
  std::string url;
  std::string label;               ///< what other nodes show this one as, such as "relay-1"
  std::size_t append_threads = 2;  ///< writer connections of the ingest path
  std::size_t job_threads = 2;     ///< of REST changes
  std::size_t reader_threads = 2;
  std::size_t queue_max = 4'096;     ///< of jobs and of reads
  std::size_t appends_max = 16'384;  ///< events that wait; then ingest answers 503
  std::size_t append_bytes_max = 256ULL << 20;
  std::size_t group_tasks_max = 512;  ///< events of one commit
  std::size_t group_bytes_max = 8ULL << 20;
  Duration statement_time = std::chrono::seconds(5);
  Duration silence_time = std::chrono::seconds(10);
  /// How long the others wait for a node that says nothing before they take its deliveries over.
  Duration lease_time = std::chrono::seconds(10);

  Retention retention{};  ///< of workspaces that have no times of their own

  pg::Options connection(std::string_view use) const {
    return {.url = url,
            .application = "postern " + std::string(use),
            .statement_time = statement_time,
            .silence_time = silence_time};
  }
  pg::Options hot_connection(std::string_view use, pg::Options::Plan plan) const {
    pg::Options options = connection(use);
    options.plan = plan;
    return options;
  }
  /// A claim holds a lock that others only try: a node that stands still in one must not hold it for long.
  pg::Options claim_connection() const {
    pg::Options options = hot_connection("claim", pg::Options::Plan::by_index);
    options.idle_time = std::chrono::seconds(2);
    return options;
  }
};

}  // namespace postern::relay
