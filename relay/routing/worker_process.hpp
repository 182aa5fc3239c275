#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "relay/routing/sandbox.hpp"

namespace postern::relay {

/// What to start as a worker.
struct WorkerCommand {
  std::string path = "/proc/self/exe";  ///< this very program, even when its file has been replaced
  std::uint64_t memory = 64 * 1024 * 1024;
};

using SteadyPoint = std::chrono::steady_clock::time_point;

/// A worker process and the socket to it. It dies with the thread that started it. One thread at a time; all
/// calls but spawn() wait for it, until the time given.
class WorkerProcess {
 public:
  /// Error `worker_not_started`.
  static Result<std::unique_ptr<WorkerProcess>> spawn(const WorkerCommand& command);
  ~WorkerProcess();  ///< kills it
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  enum class Io { done, late, ended };
  Io send(std::string_view bytes, SteadyPoint until);
  /// The content of one frame; what has come of one when it is late is kept. `ended` as well for bytes that
  /// are no frame.
  Io receive(std::string& content, SteadyPoint until);

  /// After `ended`: waits until it is gone and says why. Kills it when it would not go.
  WorkerEnd wait();
  int pid() const { return pid_; }

 private:
  WorkerProcess(int pid, int socket) : pid_(pid), socket_(socket) {}
  Io await(short events, SteadyPoint until) const;
  Io read_more(SteadyPoint until);
  void kill();

  int pid_;
  int socket_;
  std::string received_;  ///< of frames that nobody has asked for yet
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace postern::relay
