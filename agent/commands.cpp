#include "agent/commands.hpp"

#include <stdio.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include <cstdlib>
#include <thread>

#include "agent/doctor.hpp"
#include "agent/join.hpp"
#include "agent/serve.hpp"
#include "agent/service.hpp"
#include "agent/service_settings.hpp"
#include "agent/status_view.hpp"
#include "agent/upgrade.hpp"
#include "agent/visible.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr int kFailed = 1;
constexpr int kRotationLooks = 150;
constexpr Duration kRotationLook = std::chrono::milliseconds(100);

/// Outlives every loop.
struct World {
  SystemClock clock;
  SystemRandom random;
};

int complain(const Error& error) {
  ::fputs(fmt::format("postern-agent: {} [{}]\n", visible_lines(error.message), error.code).c_str(), stderr);
  return kFailed;
}

/// Runs one task on a loop of its own, to its end. What it throws comes out here.
template <class T>
T finish(asio::awaitable<T> task) {
  asio::io_context loop(1);
  auto result = asio::co_spawn(loop, std::move(task), asio::use_future);
  loop.run();
  return result.get();
}

/// The allow-list that was given, if one was, takes the place of the saved one.
Result<void> replace_allow(const Options& options, const StateDir& state_dir, Identity& identity) {
  if (options.allow.empty()) return {};
  auto allow = AllowList::parse(options.allow);
  if (!allow) return std::unexpected(allow.error());
  if (allow->entries() == identity.allow.entries()) return {};
  identity.allow = std::move(*allow);
  return state_dir.save(identity);
}

/// In the place of a process that serves still. A join was its own, and its allow-list is the saved one.
int succeed(const Options& options, const StateDir& state_dir, Inheritance inherited, ProxyRules proxies,
            World& world) {
  auto identity = state_dir.identity();
  if (!identity) {
    inherited.complain(identity.error());
    return complain(identity.error());
  }
  Tenure tenure{std::move(*identity), std::move(inherited.lock()), std::move(inherited)};
  return serve(options, state_dir, std::move(tenure), std::move(proxies), world.clock, world.random);
}

int run(const Options& options, const StateDir& state_dir, ProxyRules proxies, World& world) {
  if (!state_dir.joined()) return complain(state_dir.identity().error());
  auto lock = state_dir.lock();
  if (!lock) return complain(lock.error());
  auto identity = state_dir.identity();
  if (!identity) return complain(identity.error());
  if (auto replaced = replace_allow(options, state_dir, *identity); !replaced)
    return complain(replaced.error());
  return serve(options, state_dir, {std::move(*identity), std::move(*lock), std::nullopt}, std::move(proxies),
               world.clock, world.random);
}

Error already_joined(const StateDir& state_dir) {
  const auto identity = state_dir.identity();
  const std::string who = identity ? identity->agent_id.to_string() : "an agent whose state is damaged";
  return {"already_joined",
          fmt::format("{} already holds {}. To serve as it: postern-agent run. For a second agent: another "
                      "--state-dir. To give it up and join anew: --force.",
                      state_dir.path().string(), who)};
}

int join_and_serve(const Options& options, const StateDir& state_dir, ProxyRules proxies, World& world,
                   std::istream& standard_input) {
  auto token = read_token(options, standard_input);
  if (!token) return complain(token.error());
  auto allow = AllowList::parse(options.allow);
  if (!allow) return complain(allow.error());
  if (auto created = state_dir.create(); !created) return complain(created.error());
  auto lock = state_dir.lock();
  if (!lock) return complain(lock.error());
  if (state_dir.joined() && !options.force) return complain(already_joined(state_dir));
  if (options.force) state_dir.forget_damaged_join();
  const JoinParts parts{state_dir, world.clock, world.random, connection_limits(options.limits, 1), proxies};
  auto identity = finish(join(parts, std::move(*token), std::move(*allow), options.ca));
  if (!identity) return complain(identity.error());
  log::info("agent.joined", {{"agent", identity->agent_id},
                             {"relay", identity->relay.to_string()},
                             {"state_dir", state_dir.path().string()}});
  if (options.only_join) {
    ::fputs(
        fmt::format("joined relay={} agent={}\n", identity->relay.to_string(), identity->agent_id.to_string())
            .c_str(),
        stdout);
    return 0;
  }
  return serve(options, state_dir, {std::move(*identity), std::move(*lock), std::nullopt}, std::move(proxies),
               world.clock, world.random);
}

int show_status(const Options& options, const StateDir& state_dir, const Clock& clock) {
  if (!state_dir.joined()) return complain(state_dir.identity().error());
  const auto status = read_status(state_dir, clock.now());
  if (!status) return complain(status.error());
  ::fputs(
      (options.json ? boost::json::serialize(*status) + "\n" : render_status(*status, clock.now())).c_str(),
      stdout);
  return is_connected(*status) ? 0 : kFailed;
}

/// A service has its settings from a file of its own, and not from the environment of who asks about it.
/// nullopt: this is no service.
Result<std::optional<Variables>> variables_of_service(const Options& options, const StateDir& state_dir) {
  if (options.command != Command::doctor) return std::nullopt;
  const auto places = service_places("/", state_dir);
  if (!places) return std::nullopt;
  return installed_variables(*places);
}

int show_health(Options options, const StateDir& state_dir, ProxyRules proxies, World& world) {
  const JoinParts parts{state_dir, world.clock, world.random, connection_limits(options.limits, 1),
                        std::move(proxies)};
  const bool as_json = options.json;
  const auto checks = finish(examine(parts, std::move(options)));
  ::fputs((as_json ? to_json(checks) + "\n" : render(checks)).c_str(), stdout);
  return healthy(checks) ? 0 : kFailed;
}

/// The running agent looks for the wish every few seconds (kStatusPeriod).
int ask_rotation(const StateDir& state_dir) {
  const auto before = state_dir.identity();
  if (!before) return complain(before.error());
  if (auto asked = state_dir.ask_rotation(); !asked) return complain(asked.error());
  if (!state_dir.running()) {
    ::fputs("The agent does not run: it changes its secret when it next connects.\n", stdout);
    return 0;
  }
  for (int i = 0; i < kRotationLooks; ++i) {
    const auto now = state_dir.identity();
    if (now && now->key_epoch > before->key_epoch) {
      ::fputs("The secret has been changed.\n", stdout);
      return 0;
    }
    std::this_thread::sleep_for(kRotationLook);
  }
  return complain({"not_yet",
                   "The agent has not changed its secret yet; it does so once it is connected. See "
                   "postern-agent status."});
}

}  // namespace

int run_command(const Options& given, std::istream& standard_input) {
  const StateDir state_dir(given.state_dir);
  const auto variables = variables_of_service(given, state_dir);
  if (!variables) return complain(variables.error());
  const Options options = *variables ? with_variables(given, **variables) : given;
  World world;
  if (options.command == Command::upgrade) {
    const auto done = ask_upgrade(state_dir, world.clock);
    if (!done) return complain(done.error());
    ::fputs((*done + "\n").c_str(), stdout);
    return 0;
  }
  if (options.command == Command::status) return show_status(options, state_dir, world.clock);
  if (options.command == Command::service)
    return run_service(options, state_dir, world.clock, standard_input);
  auto proxies = proxy_rules(
      options.proxy, *variables ? lookup_in(**variables) : [](const char* name) -> const char* {
        return std::getenv(name);
      });
  if (!proxies) return complain(proxies.error());
  auto inherited = Inheritance::receive();
  if (!inherited) return complain(inherited.error());
  if (*inherited) return succeed(options, state_dir, std::move(**inherited), std::move(*proxies), world);
  switch (options.command) {
    case Command::join:
      return join_and_serve(options, state_dir, std::move(*proxies), world, standard_input);
    case Command::run:
      return run(options, state_dir, std::move(*proxies), world);
    case Command::status:  // above: they dial nobody
    case Command::upgrade:
    case Command::service:
    case Command::rotate:
      return ask_rotation(state_dir);
    case Command::doctor:
      return show_health(options, state_dir, std::move(*proxies), world);
  }
  return kFailed;
}

}  // namespace postern::agent
