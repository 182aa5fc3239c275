#include "agent/serve.hpp"

#include <stdio.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdlib>

#include "agent/keeper.hpp"
#include "agent/reloader.hpp"
#include "agent/serve_status.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr int kExitFault = 1;
constexpr int kExitForced = 130;

void print_line(const std::string& line) {
  ::fputs((line + "\n").c_str(), stdout);
  ::fflush(stdout);
}

asio::awaitable<void> on_signals(asio::signal_set& signals, std::shared_ptr<Keeper> keeper,
                                 ServiceManager& manager) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  auto [ec, first] = co_await signals.async_wait(token);
  if (ec) co_return;
  log::info("agent.signal", {{"signal", first}});
  manager.stopping();
  keeper->drain();
  auto [again, second] = co_await signals.async_wait(token);
  if (again) co_return;
  log::warn("agent.cut_short", {{"signal", second}});
  keeper->stop();
  [[maybe_unused]] auto [once_more, third] = co_await signals.async_wait(token);
  if (!once_more) ::_exit(kExitForced);
}

asio::awaitable<void> on_hangup(asio::signal_set& signals, std::shared_ptr<Reloader> reloader,
                                ServiceManager& manager, const Clock& clock) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (true) {
    auto [ec, signal] = co_await signals.async_wait(token);
    if (ec) co_return;
    manager.reloading(clock.steady());
    reloader->reload();
    manager.ready();
  }
}

asio::awaitable<void> keep(std::shared_ptr<Keeper> keeper, std::optional<int>& exit_status) {
  try {
    exit_status = co_await keeper->run();
  } catch (...) {
    exit_status = kExitFault;
    throw;  // logged by whoever spawned this
  }
}

}  // namespace

tunnel::ConnectionLimits connection_limits(const Limits& limits, std::size_t sessions) {
  constexpr std::uint64_t kWindowBudget = 64 * 1024 * 1024;
  tunnel::ConnectionLimits out;
  out.session.budget = std::make_shared<tunnel::ByteBudget>(kWindowBudget);
  out.session.max_deliveries = share_of(limits.deliveries, sessions);
  return out;
}

int serve(const Options& options, const StateDir& state_dir, Identity identity, ProxyRules proxies,
          const Clock& clock, Random& random) {
  auto loaded = load_serving(options, identity.allow);
  if (!loaded) {
    log::error("agent.config", {{"error", loaded.error().message}});
    return kExitFault;
  }
  const Serving& serving = loaded->serving;
  log::set_level(serving.log_level);
  if (serving.allow.empty())
    log::warn("agent.nothing_allowed",
              {{"hint", "No delivery can reach an app: run with --allow HOST:PORT."}});
  state_dir.forget_other_journals(identity.agent_id);
  auto results = ResultKeeper::open(state_dir.journal_file(identity.agent_id), {});
  if (!results) {
    log::error("agent.journal", {{"error", results.error().message}});
    return kExitFault;
  }
  ServiceManager manager(std::getenv("NOTIFY_SOCKET"));
  StatusBoard board(state_dir.status_file(), clock);
  std::optional<int> exit_status;
  asio::io_context loop(1);
  asio::signal_set signals(loop, SIGTERM, SIGINT);
  asio::signal_set hangups(loop, SIGHUP);
  const std::string connected =
      fmt::format("connected relay={} agent={}", identity.relay.to_string(), identity.agent_id.to_string());
  auto forwarder = std::make_shared<Forwarder>(loop.get_executor(), serving.allow, serving.limits,
                                               serving.app_tls, **results, board, clock);
  const AllowList saved = identity.allow;
  const std::size_t sessions = std::min(options.sessions, serving.limits.deliveries);
  // Each of the two knows the other, the keeper only for as long as this function runs.
  std::weak_ptr<HealthKeeper> health_of_session;
  auto keeper = std::make_shared<Keeper>(
      Keeper::Parts{loop, state_dir, board, clock, random, connection_limits(serving.limits, sessions),
                    std::move(proxies)},
      std::move(identity), forwarder,
      Keeper::Settings{options.exit_on_revoked, [connected] { print_line(connected); }, sessions,
                       [&health_of_session] {
                         if (const auto health = health_of_session.lock()) health->session_opened();
                       }});
  auto health = std::make_shared<HealthKeeper>(loop.get_executor(), clock,
                                               [weak = std::weak_ptr(keeper)](const auto& apps) {
                                                 if (const auto alive = weak.lock()) alive->tell_health(apps);
                                               });
  health_of_session = health;
  health->rules_changed(serving.allow);
  forwarder->watch_outcomes(
      [health](const auto& delivery, const auto& result) { health->ended(delivery, result); });
  auto reloader = std::make_shared<Reloader>(
      Reloader::Parts{loop.get_executor(), board, clock, forwarder, keeper, health}, options, saved);
  fill_from(board, {keeper, forwarder, health, **results, manager});
  reloader->start(*loaded);
  spawn(loop.get_executor(), on_hangup(hangups, reloader, manager, clock), "agent.hangups");
  spawn(loop.get_executor(), on_signals(signals, keeper, manager), "agent.signals");
  spawn(loop.get_executor(), keep(keeper, exit_status), "agent.keeper");
  manager.ready();
  forwarder.reset();
  keeper.reset();
  // Idle connections to the apps must not hold a finished process up.
  while (!exit_status && loop.run_one() > 0) {
  }
  return exit_status.value_or(kExitFault);
}

}  // namespace postern::agent
