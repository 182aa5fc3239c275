#pragma once
#include <cstdint>
#include <optional>

#include "relay/routing/ruling.hpp"

/// The walls around a worker. libjq can be neither interrupted nor told how much memory to use, and a program
/// can make it do anything that takes for ever: so what goes over a limit ends the process, with an exit code
/// that says which limit and where. Linux only.
namespace postern::relay {

struct WorkerEnd {
  Fault fault = Fault::lost;  ///< time, memory, crashed or lost
  Stage stage = Stage::input;
};
/// The exit code of a worker that went over a limit, and back; nullopt for any other code.
int exit_code(WorkerEnd end);
std::optional<WorkerEnd> worker_end_of(int exit_code);

/// Once, at the start of the worker: it dies with the thread that started it, gets `memory` bytes beyond what
/// it has, can open, write and start nothing, and every system call but the few that computing needs fails.
/// False when a wall could not be put up; then it must not serve.
bool enter_sandbox(int parent_pid, std::uint64_t memory);

/// What runs from now on belongs to `stage` and may use that much CPU time; 0: no limit.
void spend(Stage stage, std::uint32_t cpu_us);

/// Ends the worker as one without memory.
[[noreturn]] void end_without_memory();

/// False in builds with a sanitizer: those need memory and system calls of their own.
bool sandbox_is_whole();

}  // namespace postern::relay
