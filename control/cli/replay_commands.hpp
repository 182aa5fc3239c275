#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace postern::control {

/// `postern replays …`; see add_operator_commands.
void add_replay_commands(CLI::App& app, std::function<int()>& run);

}  // namespace postern::control
