#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <exception>
#include <iostream>

#include "agent/commands.hpp"
#include "agent/options.hpp"
#include "base/heap.hpp"
#include "tunnel-proto/join_token.hpp"

namespace {

/// The agent's secret must not end in a core dump, nor be read by a debugger of the same user. The leak
/// sanitizer is one, so builds with it go without.
void refuse_dumps() {
#if !__has_feature(address_sanitizer)
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

/// Shortens the time in which other users of this host can read a secret in the process list.
void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument(argv[i]);
    const bool is_proxy = argument.starts_with("--proxy=") ||
                          (i > 1 && std::string_view(argv[i - 1]) == "--proxy");  // may hold a password
    if (is_proxy || argument.starts_with(postern::tunnel::kJoinTokenPrefix))
      std::fill_n(argv[i], argument.size(), 'x');
  }
}

}  // namespace

int main(int argc, char** argv) {
  postern::keep_freed_memory();
  refuse_dumps();
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);  // until it is listened to
  postern::agent::Program program = postern::agent::this_program(argc, argv);
  auto options = postern::agent::parse_command_line(argc, argv);
  hide_secrets(argc, argv);
  if (!options) return options.error();
  options->program = std::move(program);
  postern::log::configure(options->log_level, options->log_format);
  try {
    return postern::agent::run_command(*options, std::cin);
  } catch (const std::exception& e) {
    ::fprintf(stderr, "postern-agent: %s [fault]\n", e.what());
    return 1;
  }
}
