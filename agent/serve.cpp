#include "agent/serve.hpp"

#include "agent/agent_process.hpp"
#include "base/log.hpp"

namespace postern::agent {
namespace {

int refuse(const Tenure& tenure, std::string_view event, const Error& error) {
  log::error(event, {{"error", error.message}});
  if (tenure.inherited) tenure.inherited->complain(error);
  return kExitFault;
}

/// A successor opens the journal when the process before it has closed it.
Result<std::unique_ptr<ResultKeeper>> open_results(const StateDir& state_dir, const Tenure& tenure) {
  if (tenure.inherited) return std::make_unique<ResultKeeper>(Journal({}), nullptr, 0);
  state_dir.forget_other_journals(tenure.identity.agent_id);
  return ResultKeeper::open(state_dir.journal_file(tenure.identity.agent_id), {});
}

}  // namespace

tunnel::ConnectionLimits connection_limits(const Limits& limits, std::size_t sessions) {
  constexpr std::uint64_t kWindowBudget = 64 * 1024 * 1024;
  tunnel::ConnectionLimits out;
  out.session.budget = std::make_shared<tunnel::ByteBudget>(kWindowBudget);
  out.session.max_deliveries = share_of(limits.deliveries, sessions);
  return out;
}

int serve(const Options& options, const StateDir& state_dir, Tenure tenure, ProxyRules proxies,
          const Clock& clock, Random& random) {
  auto loaded = load_serving(options, tenure.identity.allow);
  if (!loaded) return refuse(tenure, "agent.config", loaded.error());
  log::set_level(loaded->serving.log_level);
  if (loaded->serving.allow.empty())
    log::warn("agent.nothing_allowed",
              {{"hint", "No delivery can reach an app: run with --allow HOST:PORT."}});
  auto results = open_results(state_dir, tenure);
  if (!results) return refuse(tenure, "agent.journal", results.error());
  AgentProcess process(options, state_dir, std::move(tenure), std::move(proxies), clock, random,
                       std::move(*loaded), std::move(*results));
  return process.run();
}

}  // namespace postern::agent
