#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "agent/keeper.hpp"
#include "agent/predecessor.hpp"
#include "agent/reloader.hpp"
#include "agent/serve.hpp"

namespace postern::agent {

constexpr int kExitFault = 1;  ///< the process could not start, or a fault ended it

/// What the keeper's sessions tell, and to whom: those know the keeper, which came first.
struct Listeners {
  std::weak_ptr<HealthKeeper> health;
  std::weak_ptr<Successor> successor;
};

/// All that serves, wired up. Lives as long as serve() runs.
class AgentProcess {
 public:
  AgentProcess(const Options& options, const StateDir& state_dir, Tenure tenure, ProxyRules proxies,
               const Clock& clock, Random& random, LoadedServing loaded,
               std::unique_ptr<ResultKeeper> results);
  int run();

 private:
  Keeper::Settings keeper_settings();
  void watch_health();
  void listen_to_signals();
  void reload();
  void get_ready_to_leave(const Options& options);
  void take_over();
  void serves();

  const StateDir& state_dir_;
  const Clock& clock_;
  FileLock lock_;
  std::optional<Inheritance> inherited_;
  LoadedServing loaded_;
  std::unique_ptr<ResultKeeper> results_;
  const std::filesystem::path journal_;
  const std::string connected_;
  const bool exit_on_revoked_;
  const std::size_t sessions_;
  ServiceManager manager_{std::getenv("NOTIFY_SOCKET")};
  StatusBoard board_;
  std::optional<int> exit_status_;
  boost::asio::io_context loop_{1};
  boost::asio::signal_set signals_{loop_, SIGTERM, SIGINT};
  boost::asio::signal_set hangups_{loop_, SIGHUP};
  boost::asio::signal_set upgrades_{loop_, SIGUSR2};
  Listeners listeners_;
  std::shared_ptr<Forwarder> forwarder_;
  std::shared_ptr<Keeper> keeper_;
  std::shared_ptr<HealthKeeper> health_;
  std::optional<InspectorSwitch> inspector_;
  std::shared_ptr<Reloader> reloader_;
  std::shared_ptr<Predecessor> predecessor_;
  std::shared_ptr<Successor> successor_;
};

}  // namespace postern::agent
