#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace postern::control {

/// Adds serve, migrate and check-config to the program. What was chosen is left in `run`, to be called after
/// parsing; it returns the exit code.
void add_relay_commands(CLI::App& app, std::function<int()>& run);

}  // namespace postern::control
