#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace postern::control {

/// Adds the operator's commands (sources, destinations, routes, agents, events, deliveries, audit), which
/// speak to a running relay over REST. What was chosen is left in `run`; it returns the exit code.
void add_operator_commands(CLI::App& app, std::function<int()>& run);

}  // namespace postern::control
