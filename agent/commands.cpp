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

namespace postern::agent {

namespace asio = boost::asio;
namespace json = boost::json;

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
  ::fputs(fmt::format("postern-agent: {} [{}]\n", error.message, error.code).c_str(), stderr);
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

int run(const Options& options, const StateDir& state_dir, ProxyRules proxies, World& world) {
  if (!state_dir.joined()) return complain(state_dir.identity().error());
  const auto lock = state_dir.lock();
  if (!lock) return complain(lock.error());
  auto identity = state_dir.identity();
  if (!identity) return complain(identity.error());
  if (auto replaced = replace_allow(options, state_dir, *identity); !replaced)
    return complain(replaced.error());
  return serve(options, state_dir, std::move(*identity), std::move(proxies), world.clock, world.random);
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
  const auto lock = state_dir.lock();
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
  return serve(options, state_dir, std::move(*identity), std::move(proxies), world.clock, world.random);
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (!value || value->is_null()) return "-";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

void print_status(const json::object& status) {
  std::string out;
  for (const char* key : {"phase", "phase_since", "relay", "agent_id", "sessions", "sessions_open",
                          "last_delivery_at", "inspector", "updated_at"}) {
    out += fmt::format("{:<17} {}\n", key, text_of(status, key));
  }
  if (const auto* counters = status.if_contains("deliveries"); counters && counters->is_object()) {
    for (const auto& [name, value] : counters->as_object()) {
      out += fmt::format("{:<17} {}\n", std::string(name), json::serialize(value));
    }
  }
  if (const auto* error = status.if_contains("last_error"); error && error->is_object()) {
    out += fmt::format("{:<17} {} ({})\n", "last_error", text_of(error->as_object(), "message"),
                       text_of(error->as_object(), "code"));
  }
  ::fputs(out.c_str(), stdout);
}

/// Healthy only when a process holds the directory and says that it is connected.
int show_status(const Options& options, const StateDir& state_dir) {
  if (!state_dir.joined()) return complain(state_dir.identity().error());
  const auto content = read_file(state_dir.status_file());
  if (!content) return complain(content.error());
  json::error_code ec;
  json::value parsed = *content ? json::parse(**content, ec) : json::object();
  json::object status = parsed.is_object() ? std::move(parsed.as_object()) : json::object();
  const bool running = state_dir.running().has_value();
  if (!running) status["phase"] = "not_running";
  if (options.json) {
    ::fputs((json::serialize(status) + "\n").c_str(), stdout);
  } else {
    print_status(status);
  }
  return running && text_of(status, "phase") == "connected" ? 0 : kFailed;
}

int show_health(const Options& options, const StateDir& state_dir, ProxyRules proxies, World& world) {
  const JoinParts parts{state_dir, world.clock, world.random, connection_limits(options.limits, 1),
                        std::move(proxies)};
  const auto checks = finish(examine(parts));
  ::fputs(render(checks).c_str(), stdout);
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

int run_command(const Options& options, std::istream& standard_input) {
  const StateDir state_dir(options.state_dir);
  if (options.command == Command::status) return show_status(options, state_dir);
  World world;
  auto proxies =
      proxy_rules(options.proxy, [](const char* name) -> const char* { return std::getenv(name); });
  if (!proxies) return complain(proxies.error());
  switch (options.command) {
    case Command::join:
      return join_and_serve(options, state_dir, std::move(*proxies), world, standard_input);
    case Command::run:
      return run(options, state_dir, std::move(*proxies), world);
    case Command::status:  // above: it dials nobody
    case Command::rotate:
      return ask_rotation(state_dir);
    case Command::doctor:
      return show_health(options, state_dir, std::move(*proxies), world);
  }
  return kFailed;
}

}  // namespace postern::agent
