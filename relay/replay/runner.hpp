#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>

#include "relay/replay/decider.hpp"
#include "relay/replay/step.hpp"

namespace postern::relay {

struct RunnerParts {
  boost::asio::any_io_executor loop;
  Database& database;
  const CatalogHolder& catalog;
  CurrentRoutes routes;
  std::function<boost::asio::awaitable<Result<void>>()> refresh;  ///< of the catalog: see DeciderParts
  IdGenerator& ids;
  const Clock& clock;            ///< the one that deliveries' times are of
  std::function<void()> wake;    ///< deliveries were made that will be due
  Shedding* shedding = nullptr;  ///< null: no step is ever put off
};

/// Works on replays, one step after another and all of them in turn, on one loop; the work itself is done on
/// the store's threads. Those under the current configuration have a turn of their own: their programs take
/// time. Every node of a cluster has one: a replay belongs to the node that made its last step, until that
/// one has been silent for the lease. While this node gives up replays it makes no step; one that is calm may
/// then take them over.
class ReplayRunner {
 public:
  ReplayRunner(RunnerParts parts, StepContext context);
  void start();
  /// No step begins after this, and `wake` is not called any more. On the loop.
  void stop();

 private:
  using Due = ReplayRepository::Due;
  using Made = Result<std::optional<std::size_t>>;
  boost::asio::awaitable<void> run(ReplayConfiguration configuration, boost::asio::steady_timer& timer);
  bool held_back();
  boost::asio::awaitable<bool> round(ReplayConfiguration configuration);
  boost::asio::awaitable<bool> step(Due which, ReplayConfiguration configuration);
  boost::asio::awaitable<Made> try_step(Due which, ReplayConfiguration configuration);
  boost::asio::awaitable<Made> decide_and_step(Due which);
  boost::asio::awaitable<Made> make_step(Due which, Decisions decisions);
  boost::asio::awaitable<void> count_failure(Due which, Error error);
  boost::asio::awaitable<void> end_as_failed(Due which, std::string why);
  bool suspended_for_long(ReplayId replay, const Decisions& decisions);

  RunnerParts parts_;
  const StepContext context_;
  ReplayDecider decider_;
  boost::asio::steady_timer originals_, currents_;
  std::map<ReplayId, int> failures_;
  std::map<ReplayId, SteadyTime> suspended_since_;
  bool stopping_ = false;
};

}  // namespace postern::relay
