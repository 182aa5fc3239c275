#include "control/cli/operator_commands.hpp"

#include <CLI/CLI.hpp>

namespace postern::control {

void add_operator_commands(CLI::App&, std::function<int()>&) {}

}  // namespace postern::control
