#include "control/cli/command_group.hpp"

#include <cstdlib>

#include "control/cli/exit_codes.hpp"

namespace postern::control {

int fail_with(const CommandError& error) {
  fmt::print(stderr, "postern: {}\n", error.message);
  return error.exit_code;
}

Result<Connection> connect(const Common& common) {
  return find_connection(common.connection,
                         [](const char* name) -> const char* { return std::getenv(name); });
}

int perform(const Common& common, const Action& action) {
  const auto connection = connect(common);
  if (!connection) return fail_with({kExitUsage, connection.error().message});
  const auto api = http_api_client(*connection);
  const auto out = action(*api, common.form());
  if (!out) return fail_with(out.error());
  std::fwrite(out->data(), 1, out->size(), stdout);
  return std::fflush(stdout) == 0 ? kExitOk : kExitFailed;
}

void add_limit(CLI::App& command, std::size_t& most) {
  command.add_option("--limit", most, "At most this many")->check(CLI::Range(1, 100'000));
}

}  // namespace postern::control
