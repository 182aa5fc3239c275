#include "agent/agent_process.hpp"

#include <stdio.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>

#include <functional>

#include "agent/serve_status.hpp"
#include "agent/upgrade.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

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

asio::awaitable<void> on_each(asio::signal_set& signals, std::function<void()> then) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (true) {
    auto [ec, signal] = co_await signals.async_wait(token);
    if (ec) co_return;
    then();
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

AgentProcess::AgentProcess(const Options& options, const StateDir& state_dir, Tenure tenure,
                           ProxyRules proxies, const Clock& clock, Random& random, LoadedServing loaded,
                           std::unique_ptr<ResultKeeper> results)
    : state_dir_(state_dir),
      clock_(clock),
      lock_(std::move(tenure.lock)),
      inherited_(std::move(tenure.inherited)),
      loaded_(std::move(loaded)),
      results_(std::move(results)),
      journal_(state_dir.journal_file(tenure.identity.agent_id)),
      connected_(fmt::format("connected relay={} agent={}", tenure.identity.relay.to_string(),
                             tenure.identity.agent_id.to_string())),
      exit_on_revoked_(options.exit_on_revoked),
      sessions_(std::min(options.sessions, loaded_.serving.limits.deliveries)),
      board_(state_dir.status_file(), clock) {
  board_.leave_file(inherited_.has_value());
  const Serving& serving = loaded_.serving;
  forwarder_ = std::make_shared<Forwarder>(loop_.get_executor(), serving.allow, serving.limits,
                                           serving.app_tls, *results_, board_, clock);
  const AllowList saved = tenure.identity.allow;
  keeper_ = std::make_shared<Keeper>(
      Keeper::Parts{loop_, state_dir, board_, clock, random, connection_limits(serving.limits, sessions_),
                    std::move(proxies)},
      std::move(tenure.identity), forwarder_, keeper_settings());
  watch_health();
  fill_from(board_, {keeper_, forwarder_, health_, *results_, manager_});
  inspector_.emplace(InspectorSwitch::Parts{loop_, board_, clock, random, forwarder_});
  inspector_->rest(inherited_.has_value());
  inspector_->set(serving.inspect);
  reloader_ = std::make_shared<Reloader>(
      Reloader::Parts{loop_.get_executor(), board_, clock, forwarder_, keeper_, health_, *inspector_},
      options, saved);
  reloader_->start(loaded_);
  get_ready_to_leave(options);
  take_over();
}

Keeper::Settings AgentProcess::keeper_settings() {
  Keeper::Settings settings;
  settings.exit_on_revoked = exit_on_revoked_;
  settings.sessions = sessions_;
  settings.on_session = [this](std::uint64_t generation) {
    if (const auto health = listeners_.health.lock()) health->session_opened();
    if (const auto successor = listeners_.successor.lock()) successor->session_opened(generation);
  };
  if (!inherited_) {
    settings.on_first_session = [this] { print_line(connected_); };
    return settings;
  }
  settings.predecessor = inherited_->greeting();
  settings.on_failure = [this](const Error& error) {
    if (const auto successor = listeners_.successor.lock()) successor->failed(error);
  };
  return settings;
}

void AgentProcess::watch_health() {
  health_ = std::make_shared<HealthKeeper>(loop_.get_executor(), clock_,
                                           [weak = std::weak_ptr(keeper_)](const auto& apps) {
                                             if (const auto alive = weak.lock()) alive->tell_health(apps);
                                           });
  listeners_.health = health_;
  health_->rules_changed(loaded_.serving.allow);
  forwarder_->watch_outcomes(
      [health = health_](const auto& delivery, const auto& result) { health->ended(delivery, result); });
}

void AgentProcess::get_ready_to_leave(const Options& options) {
  predecessor_ = std::make_shared<Predecessor>(Predecessor::Parts{
      .executor = loop_.get_executor(),
      .board = board_,
      .clock = clock_,
      .manager = manager_,
      .results = *results_,
      .forwarder = forwarder_,
      .keeper = keeper_,
      .journal = journal_,
      .lock = lock_,
      .lock_file = state_dir_.lock_file(),
      .start = [program = options.program, lock = lock_.descriptor(),
                known = options.unsupervised || inherited_](int socket) -> Result<ChildProcess> {
        if (auto may = may_be_succeeded(known); !may) return std::unexpected(may.error());
        return start_successor(program, socket, lock);
      },
      .handed = [this](bool handed) { inspector_->rest(handed); }});
}

void AgentProcess::take_over() {
  if (!inherited_) return;
  successor_ = std::make_shared<Successor>(Successor::Parts{.executor = loop_.get_executor(),
                                                            .state_dir = state_dir_,
                                                            .lock = lock_,
                                                            .board = board_,
                                                            .results = *results_,
                                                            .forwarder = forwarder_,
                                                            .keeper = keeper_,
                                                            .journal = journal_,
                                                            .sessions = sessions_,
                                                            .serves = [this] { serves(); }},
                                           inherited_->release_socket());
  listeners_.successor = successor_;
  successor_->start();
}

void AgentProcess::serves() {
  inspector_->rest(false);
  print_line(connected_);
}

void AgentProcess::listen_to_signals() {
  spawn(loop_.get_executor(), on_each(hangups_, [this] { reload(); }), "agent.hangups");
  spawn(loop_.get_executor(), on_each(upgrades_, [leaving = predecessor_] { leaving->begin(); }),
        "agent.upgrades");
  spawn(loop_.get_executor(), on_signals(signals_, keeper_, manager_), "agent.signals");
}

void AgentProcess::reload() {
  manager_.reloading(clock_.steady());
  reloader_->reload();
  manager_.ready();
}

int AgentProcess::run() {
  listen_to_signals();
  spawn(loop_.get_executor(), keep(keeper_, exit_status_), "agent.keeper");
  manager_.ready();
  // Idle connections to the apps must not hold a finished process up.
  while (!exit_status_ && loop_.run_one() > 0) {
  }
  predecessor_->abandon();
  return exit_status_.value_or(kExitFault);
}

}  // namespace postern::agent
