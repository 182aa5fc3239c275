#pragma once
#include <istream>

#include "agent/options.hpp"
#include "agent/state.hpp"
#include "base/clock.hpp"

namespace postern::agent {

/// `service install`, `uninstall` and `status`: the agent as a service of systemd. Exit status as
/// run_command() has it; `status` is 0 when the service is active and its agent connected, and install when
/// it has become so.
///
/// Install is repeatable: a second one is an update, and restarts the agent, which finishes what is in
/// flight. Uninstall keeps the state directory, so that a later install goes on as the same agent, unless
/// told to purge it.
int run_service(const Options& options, const StateDir& state_dir, const Clock& clock,
                std::istream& standard_input);

}  // namespace postern::agent
