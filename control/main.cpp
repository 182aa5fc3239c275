#include <CLI/CLI.hpp>

#include <cstdio>

#include "base/log.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/cli/operator_commands.hpp"
#include "control/commands.hpp"
#include "relay/routing/worker.hpp"

namespace {

constexpr const char* kAbout =
    "Postern, a webhook relay with private agents.\n"
    "\n"
    "Providers POST to the relay; it verifies and stores every event before it answers, and delivers it to "
    "public\n"
    "endpoints, to Slack, or to private apps through the tunnels of agents.";

constexpr const char* kFooter =
    "\n"
    "The first private delivery:\n"
    "  postern serve --data-dir data\n"
    "  postern agents enroll cellar --data-dir data      (prints the command to run on the private host)\n"
    "  postern sources create github --provider github --secret-file secret.txt --data-dir data\n"
    "  postern destinations create app --kind agent --agent cellar --url http://localhost:8000/hooks "
    "--data-dir data\n"
    "  postern routes create --source github --destination app --data-dir data\n"
    "  postern events tail --data-dir data\n"
    "\n"
    "Where the operator's commands find the relay: --url and --key, else POSTERN_URL and POSTERN_KEY, else "
    "the\n"
    "data directory (--data-dir, POSTERN_DATA_DIR, ./postern-data).\n"
    "\n"
    "Exit codes: 0 done, 1 could not be done, 2 wrong usage or settings, 3 no such thing, 4 the relay does "
    "not answer\n"
    "or refuses the key, 5 the store broke, 6 stopped before it had drained, 70 a bug.\n"
    "Help for one command: postern events --help";

int run_program(int argc, char** argv) {
  CLI::App app{kAbout, "postern"};
  app.footer(kFooter);
  app.set_version_flag("--version", "postern " POSTERN_VERSION);
  app.require_subcommand(1);
  std::function<int()> run;
  postern::control::add_relay_commands(app, run);
  postern::control::add_operator_commands(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? postern::control::kExitOk : postern::control::kExitUsage;
  }
  return run();
}

}  // namespace

/// The one place where faults end: a line that says so, and the code for a bug.
int main(int argc, char** argv) {
  // Before everything else: it runs in a process with as little in it as possible.
  if (argc > 1 && argv[1] == postern::relay::kWorkerCommand) {
    return postern::relay::run_worker(
        std::span<char* const>(argv, static_cast<std::size_t>(argc)).subspan(2));
  }
  try {
    return run_program(argc, argv);
  } catch (const std::exception& fault) {
    postern::log::error("fault", {{"error", fault.what()}});
    std::fprintf(stderr, "postern: this should not have happened: %s\n", fault.what());
  }
  return postern::control::kExitFault;
}
