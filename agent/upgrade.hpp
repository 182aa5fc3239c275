#pragma once
#include <string>

#include "agent/state.hpp"
#include "base/clock.hpp"

namespace postern::agent {

/// `postern-agent upgrade`: has the process that runs in this directory give its place to the program that is
/// there now (handover.hpp), and waits for what comes of it. Returns what to say of it. Errors:
/// `not_running`; `too_old`, when that process cannot do it; `not_permitted`; `upgrade_failed` with the
/// reason, when it goes on as before. Only a process of the directory's owner is asked, and one that listens:
/// the directory says which it is, and root must not signal whatever its owner has written there.
Result<std::string> ask_upgrade(const StateDir& state_dir, const Clock& clock);

/// Why this process cannot leave its place to another one: whoever watches it may take its end for the end of
/// the agent. Nobody does, or follows it, where there is NOTIFY_SOCKET, and where a shell of a terminal has
/// started it as a job; anything else has to be `known`: this process has followed another one itself, or
/// whoever started it said --unsupervised. Error `not_here`.
Result<void> may_be_succeeded(bool known);

}  // namespace postern::agent
