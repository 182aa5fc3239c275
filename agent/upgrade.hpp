#pragma once
#include <string>

#include "agent/state.hpp"
#include "base/clock.hpp"

namespace postern::agent {

/// `postern-agent upgrade`: has the process that runs in this directory give its place to the program that is
/// there now (handover.hpp), and waits for what comes of it. Returns what to say of it. Errors:
/// `not_running`; `too_old`, when that process cannot do it; `not_permitted`; `upgrade_failed` with the
/// reason, when it goes on as before.
Result<std::string> ask_upgrade(const StateDir& state_dir, const Clock& clock);

/// Why this process cannot leave its place to another one: it is what a container, or a supervisor that does
/// not follow, watches. Error `not_here`.
Result<void> may_be_succeeded();

}  // namespace postern::agent
