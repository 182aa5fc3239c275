#pragma once
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/program.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"

namespace postern::agent {

enum class Command { join, run, status, doctor, rotate, upgrade, service };

/// What bounds the work in flight. All of it is this agent's to grant: the relay cannot raise it.
struct Limits {
  /// At once. More than one destination uses by default, so that one stuck app cannot hold all of them.
  std::size_t deliveries = 256;
  std::size_t body_bytes = std::size_t{25} * 1024 * 1024;  ///< of one request; longer: not sent
  std::size_t budget_bytes =
      std::size_t{256} * 1024 * 1024;  ///< request bodies in memory together; above: streams wait
};

/// How the apps are spoken to over https.
struct AppTls {
  std::string ca_file;
  bool insecure = false;
  bool operator==(const AppTls&) const = default;
};

/// Of `service`.
struct ServiceOptions {
  enum class Action { install, uninstall, status } action = Action::status;
  bool dry_run = false;
  bool purge = false;
  bool yes = false;  ///< do not ask
  std::vector<std::string> groups;
  std::vector<std::string> drop;  ///< variables and groups of the service that is there, not to be kept
  Duration wait = std::chrono::seconds(30);  ///< for the agent to connect; 0: not at all
  std::string root = "/";                    ///< for tests: the host's files are below it
  std::string systemctl = "systemctl";
};

struct Options {
  Command command = Command::run;
  std::filesystem::path state_dir;
  std::string config_file;                   ///< empty: where config_candidates() says
  std::set<std::string, std::less<>> given;  ///< settings that a flag or the environment has
  std::string token;
  std::string join_file;  ///< "-": standard input
  std::vector<std::string> allow;
  std::string ca;  ///< join only: RelayTrust::ca
  bool force = false;
  bool only_join = false;
  bool exit_on_revoked = false;
  bool unsupervised = false;  ///< nobody takes this process's end for the agent's
  std::size_t sessions = 2;   ///< with the relay, side by side
  bool json = false;
  Program program;  ///< set by main
  Limits limits;
  AppTls app_tls;
  std::string proxy;    ///< may hold a password; empty: as the environment says
  std::string inspect;  ///< where the inspector listens, parse_inspect_address(); empty: there is none
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
  ServiceOptions service;
};

/// From flags, then POSTERN_AGENT_… of the environment. When there is nothing to run (help, version, a
/// mistake) the text has been printed and the exit status is the error.
std::expected<Options, int> parse_command_line(int argc, const char* const* argv);

}  // namespace postern::agent
