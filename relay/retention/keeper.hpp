#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>

#include "relay/retention/plan.hpp"

namespace postern::relay {

struct KeeperParts {
  boost::asio::any_io_executor loop;
  Database& database;
  const Clock& clock;
  prometheus::Registry& metrics;
  Retention retention;       ///< of workspaces that have no times of their own
  bool partitioned = false;  ///< see retention_plan
  std::string runner;        ///< 16 bytes that tell this node from others
};

/// Removes what is past its time: once a minute, and batch after batch while there is more, giving way to
/// whatever else waits to be written. One node of a cluster at a time; the work itself is done on the store's
/// threads.
///   postern_retention_removed_total{what}  bodies, events, attempts
///   postern_retention_kept{what}           past their time and still there, as an open delivery needs them
///   postern_oldest_event_age_seconds
class RetentionKeeper {
 public:
  explicit RetentionKeeper(KeeperParts parts);
  void start();
  void stop();  ///< no batch begins after this. On the loop

 private:
  struct Due {
    std::vector<RetentionJob> jobs;
    std::array<std::uint64_t, 3> kept{};
    std::optional<Time> oldest;
  };
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> round();
  boost::asio::awaitable<bool> batch(RetentionJob job);
  boost::asio::awaitable<void> give_way();
  boost::asio::awaitable<void> pause(Duration time);
  void show(const Due& due);

  KeeperParts parts_;
  boost::asio::steady_timer timer_;
  std::array<prometheus::Counter*, 3> removed_{};
  std::array<prometheus::Gauge*, 3> kept_{};
  prometheus::Gauge& oldest_age_;
  bool stopping_ = false;
};

}  // namespace postern::relay
