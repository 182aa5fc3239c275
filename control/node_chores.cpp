// What a node does by itself beside serving: replays in bulk, removing what is past its time, and watching
// how loaded it is.
#include "control/node_parts.hpp"
#include "relay/store/node_name.hpp"

namespace postern::control {

/// Who holds a replay outlives a restart: nothing else runs on this directory, so an earlier run of it is
/// dead and what it held is this one's at once.
Result<void> Node::Parts::start_chores() {
  std::string runner(16, '\1');
  const bool cluster = !settings.database.empty();
  if (cluster) {
    auto name = relay::node_name(settings.data_dir, random);
    if (!name) return std::unexpected(name.error());
    runner = std::move(*name);
  }
  relay::StepContext context;
  context.runner = runner;
  replays = std::make_unique<relay::ReplayRunner>(
      relay::RunnerParts{.loop = loops.first().get_executor(),
                         .database = *store->database,
                         .catalog = catalog,
                         .routes = relay::CurrentRoutes({*programs, ids}),
                         .refresh = [this] { return reloader->reload(); },
                         .ids = ids,
                         .clock = schedule,
                         .wake = [this] { deliveries->wake(); },
                         .shedding = &shedding},
      std::move(context));
  retention =
      std::make_unique<relay::RetentionKeeper>(relay::KeeperParts{.loop = loops.first().get_executor(),
                                                                  .database = *store->database,
                                                                  .clock = schedule,
                                                                  .metrics = metrics,
                                                                  .retention = settings.retention,
                                                                  .partitioned = cluster,
                                                                  .runner = std::move(runner)});
  certificate->start();
  access_look = std::make_unique<boost::asio::steady_timer>(loops.first());
  look_at_access();
  replays->start();
  retention->start();
  return {};
}

void Node::Parts::look_at_access() {
  access_look->expires_after(std::chrono::hours(1));
  access_look->async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    hub->check_access();
    look_at_access();
  });
}

void Node::Parts::stop_chores() {
  if (replays) replays->stop();
  if (retention) retention->stop();
  if (certificate) certificate->stop();
  if (access_look) access_look->cancel();
}

void Node::Parts::start_monitor() {
  monitor = std::make_unique<relay::LoadMonitor>(
      relay::MonitorParts{.store = [this] { return store->event_log->pressure(); },
                          .loops = loops.all(),
                          .shedding = shedding,
                          .metrics = metrics,
                          .wait_most = settings.overload.wait});
  monitor->start();
}

}  // namespace postern::control
