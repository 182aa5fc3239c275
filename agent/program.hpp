#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace postern::agent {

/// How this process was started: what starting it again takes.
struct Program {
  std::filesystem::path file;          ///< as it was named then, absolute: what is there now may be newer
  std::vector<std::string> arguments;  ///< with argv[0], without join tokens, which are good once
};

/// Call it in main, before arguments are hidden.
Program this_program(int argc, const char* const* argv);

/// A program that was started, until somebody waits for it.
class ChildProcess {
 public:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), released_(other.released_) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() {
    if (!released_) end();
  }

  pid_t pid() const { return pid_; }
  /// Kills it, unless it has ended, and says how it ended: "ended with status 2", "was ended by signal 11";
  /// empty when it had to be killed.
  std::string end();
  /// The same once it has ended, empty when nobody knows how any more; nullopt while it runs.
  std::optional<std::string> ended();
  /// It goes on without this process.
  void release() { released_ = true; }

 private:
  pid_t pid_;  ///< 0: has been waited for
  bool released_ = false;
};

/// Starts it, with this process's environment and standard streams and of its other descriptors only these:
/// the child finds their numbers in the environment (kHandoverVariable, "SOCKET:LOCK"). Error `not_started`.
Result<ChildProcess> start_successor(const Program& program, int socket, int lock);

inline constexpr const char* kHandoverVariable = "POSTERN_AGENT_HANDOVER";

/// The descriptors that start_successor() of another process has left for this one, and takes the variable
/// out of the environment. nullopt: started by somebody else.
struct InheritedDescriptors {
  int socket = -1;
  int lock = -1;
};
std::optional<InheritedDescriptors> inherited_descriptors();

}  // namespace postern::agent
