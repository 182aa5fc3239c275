#pragma once
#include <span>
#include <string_view>

namespace postern::relay {

/// `postern jq-worker PARENT_PID MEMORY_BYTES`, which people never type: the relay starts itself again so,
/// with a socket as descriptor 3 and nothing else, to run programs where they can be ended.
inline constexpr std::string_view kWorkerCommand = "jq-worker";
inline constexpr int kWorkerSocket = 3;

/// Answers requests until the relay closes the socket. `arguments`: what follows the command. Returns the
/// exit code.
int run_worker(std::span<char* const> arguments);

}  // namespace postern::relay
