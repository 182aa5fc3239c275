#include "agent/options.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <sstream>

#include "agent/inspect_address.hpp"
#include "agent/state.hpp"
#include "tunnel-proto/join_token.hpp"

namespace postern::agent {
namespace {

constexpr const char* kTeach =
    R"(Delivers webhooks from a Postern relay to apps on this private host. It dials out; nothing dials in.

First time:
  1. On the relay:   postern agents enroll NAME          (prints a join token, good once and for 15 minutes)
  2. On this host:   postern-agent join TOKEN --allow localhost:8000
  3. From then on:   postern-agent run
     or, by systemd: sudo postern-agent join TOKEN --only-join --allow localhost:8000
                     sudo postern-agent service install

What the apps are is said here, with --allow, and nothing that comes from the relay widens it:
  localhost:8000                       http or https, by host and port exactly as destinations name it
  localhost:*                          every port of that host
  unix:/run/app.sock                   destinations name it http+unix://%2Frun%2Fapp.sock/path
  https://app:8443#sha256=HEX          https only, known by the SHA-256 of its public key
  'POST|PUT localhost:8000/hooks/'     these methods only, below this path only
  'localhost:8000 max=8'               at most 8 deliveries at once
Something does not work?  postern-agent doctor
)";

constexpr const char* kFooter = R"(
Each option can come from the environment instead: POSTERN_AGENT_STATE_DIR, POSTERN_AGENT_JOIN_TOKEN,
POSTERN_AGENT_ALLOW (comma-separated), POSTERN_AGENT_LOG_LEVEL, POSTERN_AGENT_LOG_FORMAT, and so on.)";

const std::map<std::string, log::Level> kLevels{{"debug", log::Level::debug},
                                                {"info", log::Level::info},
                                                {"warn", log::Level::warn},
                                                {"error", log::Level::error}};
const std::map<std::string, log::Format> kFormats{{"text", log::Format::text}, {"json", log::Format::json}};

/// Notes that it was given, so that the configuration file does not have the last word.
CLI::Option* note(CLI::Option* option, Options& options, std::string key) {
  return option->each([&options, key = std::move(key)](const std::string&) { options.given.insert(key); });
}

void add_allow(CLI::App& app, Options& options, const char* text) {
  note(app.add_option("--allow", options.allow, text), options, "allow")
      ->type_name("APP")
      ->delimiter(',')
      ->envname("POSTERN_AGENT_ALLOW");
}

void add_proxy(CLI::App& app, Options& options) {
  app.add_option(
         "--proxy", options.proxy,
         "Dial the relay through this HTTP proxy (CONNECT): http://[USER:PASSWORD@]HOST:PORT. Without "
         "it HTTPS_PROXY counts, and NO_PROXY excepts from either. A password is better given in "
         "POSTERN_AGENT_PROXY than in a command line")
      ->type_name("URL")
      ->envname("POSTERN_AGENT_PROXY");
}

void add_inspect(CLI::App& app, Options& options) {
  const auto check = [](const std::string& text) {
    const auto address = parse_inspect_address(text);
    return address ? std::string() : address.error().message;
  };
  note(app.add_option("--inspect", options.inspect,
                      "Show deliveries as they pass on a page of this host, and send them to the app again; "
                      "postern-agent status shows its URL"),
       options, "inspect")
      ->type_name("ADDRESS")
      ->expected(0, 1)
      ->default_str(std::string(kInspectAddress))
      ->check(CLI::Validator(check, "", "loopback address"))
      ->envname("POSTERN_AGENT_INSPECT");
}

void add_serving(CLI::App& app, Options& options) {
  add_inspect(app, options);
  note(app.add_flag(
           "--exit-on-revoked", options.exit_on_revoked,
           "Exit with status 3 when the relay no longer knows this agent, instead of asking every 5 minutes"),
       options, "exit_on_revoked")
      ->envname("POSTERN_AGENT_EXIT_ON_REVOKED");
  note(app.add_option(
           "--sessions", options.sessions,
           "Sessions with the relay side by side, to different addresses where its name has several"),
       options, "sessions")
      ->check(CLI::Range(1, 4))
      ->capture_default_str()
      ->envname("POSTERN_AGENT_SESSIONS");
  note(app.add_option("--concurrency", options.limits.deliveries, "Deliveries at once"), options,
       "concurrency")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->envname("POSTERN_AGENT_CONCURRENCY");
  note(app.add_option("--body-limit", options.limits.body_bytes,
                      "Longest request body, in bytes (suffixes: kb, mb, gb)"),
       options, "body_limit")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str()
      ->envname("POSTERN_AGENT_BODY_LIMIT");
  note(app.add_option("--memory-budget", options.limits.budget_bytes,
                      "Request bodies in memory together, in bytes"),
       options, "memory_budget")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str()
      ->envname("POSTERN_AGENT_MEMORY_BUDGET");
  note(app.add_option("--app-ca-file", options.app_tls.ca_file, "Extra trust anchors (PEM) for https apps"),
       options, "app_ca_file")
      ->check(CLI::ExistingFile)
      ->envname("POSTERN_AGENT_APP_CA_FILE");
  note(app.add_flag("--app-tls-insecure", options.app_tls.insecure,
                    "Do not verify the certificates of https apps"),
       options, "app_tls_insecure")
      ->envname("POSTERN_AGENT_APP_TLS_INSECURE");
}

void add_unsupervised(CLI::App& app, Options& options) {
  app.add_flag("--unsupervised", options.unsupervised,
               "Nobody watches this process, so that it may give its place to another one (upgrade)")
      ->envname("POSTERN_AGENT_UNSUPERVISED");
}

void add_join(CLI::App& app, Options& options) {
  auto* join = app.add_subcommand("join", "Enrol this host with a join token, then serve");
  join->add_option(
          "token", options.token,
          "The join token (pj1_…). Other users of this host may see it in the process list for a moment; "
          "--join-file and POSTERN_AGENT_JOIN_TOKEN avoid that")
      ->type_name("TOKEN")
      ->envname("POSTERN_AGENT_JOIN_TOKEN");
  join->add_option("--join-file", options.join_file, "Read the token from a file; - is standard input")
      ->type_name("FILE")
      ->envname("POSTERN_AGENT_JOIN_FILE");
  add_allow(*join, options, "An app that deliveries may reach, exactly as destinations name it; repeatable");
  join->add_option(
          "--ca", options.ca,
          "Know the relay by its name instead of its key: system (this host's CAs), or a PEM file of CAs")
      ->type_name("system|FILE")
      ->envname("POSTERN_AGENT_CA");
  join->add_flag("--force", options.force, "Join anew although this state directory already holds an agent");
  join->add_flag("--only-join", options.only_join, "Exit after joining; serve later with run");
  add_serving(*join, options);
  add_unsupervised(*join, options);
  join->callback([&options] { options.command = Command::join; });
}

void add_install(CLI::App& service, Options& options) {
  auto* install = service.add_subcommand(
      "install", "Write the unit, start the service and wait until its agent is connected; again: an update");
  install->add_flag("--dry-run", options.service.dry_run, "Show what would be written, and change nothing");
  install
      ->add_option("--group", options.service.groups,
                   "A group that the service's user belongs to, for the unix sockets of apps; repeatable")
      ->type_name("GROUP");
  install
      ->add_option("--drop", options.service.drop,
                   "A variable or group that the service has from an earlier install, and shall not keep; "
                   "repeatable")
      ->type_name("NAME");
  install
      ->add_option_function<std::string>(
          "--wait",
          [&options](const std::string& text) {
            const auto wait = parse_duration(text);
            if (!wait) throw CLI::ValidationError("--wait", "takes a time such as 30s or 2m; 0: do not wait");
            options.service.wait = *wait;
          },
          "How long to wait for the agent to connect (30s)")
      ->type_name("TIME");
  add_allow(*install, options, "Replace the saved allow-list; repeatable");
  add_serving(*install, options);
  install->callback([&options] { options.service.action = ServiceOptions::Action::install; });
}

void add_service(CLI::App& app, Options& options) {
  auto* service = app.add_subcommand(
      "service", "Run this agent as a service of systemd, sandboxed, as a user that owns nothing else");
  service->require_subcommand(1);
  service->fallthrough();
  // For tests, which have no systemd.
  service->add_option("--root", options.service.root)->group("");
  service->add_option("--systemctl", options.service.systemctl)->group("");
  add_install(*service, options);
  auto* uninstall = service->add_subcommand("uninstall", "Stop the service and remove it; its state is kept");
  uninstall->add_flag("--purge", options.service.purge,
                      "Remove its state, too: this host is then no agent any more");
  uninstall->add_flag("--yes", options.service.yes, "Do not ask");
  uninstall->callback([&options] { options.service.action = ServiceOptions::Action::uninstall; });
  auto* status =
      service->add_subcommand("status", "The service, and what its agent is doing; exit 0 when connected");
  status->add_flag("--json", options.json, "As JSON");
  status->callback([&options] { options.service.action = ServiceOptions::Action::status; });
  service->callback([&options] { options.command = Command::service; });
}

void add_commands(CLI::App& app, Options& options) {
  add_join(app, options);
  auto* run = app.add_subcommand("run", "Serve, as the agent that joined before");
  add_allow(*run, options, "Replace the saved allow-list; repeatable");
  add_serving(*run, options);
  add_unsupervised(*run, options);
  run->callback([&options] { options.command = Command::run; });
  auto* status =
      app.add_subcommand("status", "What the agent of this state directory is doing; exit 0 when connected");
  status->add_flag("--json", options.json, "As JSON");
  status->callback([&options] { options.command = Command::status; });
  auto* rotate = app.add_subcommand(
      "rotate", "Change this agent's secret: at once when it runs and is connected, else when it next is");
  rotate->callback([&options] { options.command = Command::rotate; });
  auto* upgrade = app.add_subcommand(
      "upgrade", "Let the running agent give its place to the program that is there now, without a pause");
  upgrade->callback([&options] { options.command = Command::upgrade; });
  auto* doctor = app.add_subcommand("doctor",
                                    "Check every step from here to the relay and to the apps, with a fix "
                                    "for each that fails; exit 0 when all pass");
  doctor->add_flag("--json", options.json, "As JSON");
  add_allow(*doctor, options, "As run would be given it; repeatable");
  add_serving(*doctor, options);
  doctor->callback([&options] { options.command = Command::doctor; });
  add_service(app, options);
}

/// `--allow A B TOKEN` reads as three apps; the token gives itself away.
void rescue_token(Options& options) {
  const auto is_token = [](const std::string& text) { return text.starts_with(tunnel::kJoinTokenPrefix); };
  const auto found = std::find_if(options.allow.begin(), options.allow.end(), is_token);
  if (found == options.allow.end() || !options.token.empty()) return;
  options.token = std::move(*found);
  options.allow.erase(found);
}

/// A complaint repeats what it complains of, and a journal keeps it for ever.
std::string without_tokens(std::string text) {
  constexpr std::string_view kShown = "pj1_…";
  for (auto at = text.find(tunnel::kJoinTokenPrefix); at != std::string::npos;
       at = text.find(tunnel::kJoinTokenPrefix, at + kShown.size())) {
    const auto end = text.find_first_of(" \t\r\n", at);
    text.replace(at, std::min(end, text.size()) - at, kShown);
  }
  return text;
}

}  // namespace

std::expected<Options, int> parse_command_line(int argc, const char* const* argv) {
  Options options;
  std::string state_dir = StateDir::default_path().string();
  CLI::App app(kTeach, "postern-agent");
  app.footer(kFooter);
  app.set_version_flag("--version", "postern-agent " POSTERN_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // global options may follow the command
  app.add_option("--state-dir", state_dir, "Where this agent keeps who it is")
      ->type_name("DIR")
      ->capture_default_str()
      ->envname("POSTERN_AGENT_STATE_DIR");
  app.add_option("--config", options.config_file,
                 "Configuration file (TOML), read again when it changes and at SIGHUP; without one, "
                 "STATE_DIR/agent.toml or /etc/postern-agent/agent.toml, when there")
      ->type_name("FILE")
      ->envname("POSTERN_AGENT_CONFIG");
  note(app.add_option("--log-level", options.log_level, "debug, info, warn or error"), options, "log_level")
      ->transform(CLI::CheckedTransformer(kLevels, CLI::ignore_case).description(""))
      ->type_name("LEVEL")
      ->envname("POSTERN_AGENT_LOG_LEVEL");
  note(app.add_option("--log-format", options.log_format, "text or json; logs go to standard error"), options,
       "log_format")
      ->transform(CLI::CheckedTransformer(kFormats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->envname("POSTERN_AGENT_LOG_FORMAT");
  add_proxy(app, options);
  add_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::ostringstream complaint;
    const int code = app.exit(e, std::cout, complaint);
    std::cerr << without_tokens(complaint.str());
    return std::unexpected(code == 0 ? 0 : 2);
  }
  options.state_dir = state_dir;
  rescue_token(options);
  return options;
}

}  // namespace postern::agent
