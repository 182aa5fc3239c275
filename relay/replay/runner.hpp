#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <set>

#include "relay/overload/shedding.hpp"
#include "relay/replay/step.hpp"
#include "relay/routing/current_routes.hpp"

namespace postern::relay {

struct RunnerParts {
  boost::asio::any_io_executor loop;
  Database& database;
  CurrentRoutes routes;
  /// Brings the catalog up to what is committed: a replay must not run the routes as they were before its
  /// creation, which on this node they may still be.
  std::function<boost::asio::awaitable<Result<void>>()> refresh;
  IdGenerator& ids;
  const Clock& clock;            ///< the one that deliveries' times are of
  std::function<void()> wake;    ///< deliveries were made that will be due
  Shedding* shedding = nullptr;  ///< null: no step is ever put off
};

/// Works on replays, one step after another and all of them in turn, on one loop; the work itself is done on
/// the store's threads. Every node of a cluster has one: a replay belongs to the node that made its last
/// step, until that one has been silent for the lease. While this node gives up replays it makes no step; one
/// that is calm may then take them over.
class ReplayRunner {
 public:
  ReplayRunner(RunnerParts parts, StepContext context);
  void start();
  /// No step begins after this, and `wake` is not called any more. On the loop.
  void stop();

 private:
  using Due = ReplayRepository::Due;
  boost::asio::awaitable<void> run();
  bool held_back();
  boost::asio::awaitable<bool> round();
  boost::asio::awaitable<bool> step(Due which);
  boost::asio::awaitable<Decisions> decide(Due which);
  boost::asio::awaitable<std::optional<std::vector<Ahead>>> look_ahead(Due which);
  boost::asio::awaitable<void> count_failure(Due which, Error error);
  boost::asio::awaitable<void> pause(Duration time);

  RunnerParts parts_;
  const StepContext context_;
  boost::asio::steady_timer timer_;
  std::map<ReplayId, int> failures_;
  std::set<ReplayId> refreshed_;  ///< under the current configuration: the catalog is no older than they are
  bool stopping_ = false;
};

}  // namespace postern::relay
