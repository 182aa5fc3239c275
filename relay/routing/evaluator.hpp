#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "relay/routing/wire.hpp"
#include "relay/routing/worker_process.hpp"

namespace postern::relay {

/// Runs the programs of one event after another on a worker process, and always has an answer for each: a
/// program that goes over a limit costs a worker, which is replaced, and the programs after it run on the
/// next one. Blocks. One thread uses it, from its making on.
class Evaluator {
 public:
  struct Options {
    WorkerCommand command;
    Duration program_time = std::chrono::milliseconds(100);
    std::function<void(Fault)> on_worker_lost = {};
  };
  explicit Evaluator(Options options) : options_(std::move(options)) {}

  /// One ruling for each of `routes`, in order, by `until`.
  std::vector<Ruling> run(std::string_view meta, std::string_view body, std::vector<RoutePrograms> routes,
                          SteadyPoint until);
  /// The same for compiling alone.
  std::vector<Ruling> check(std::vector<RoutePrograms> routes, SteadyPoint until);
  /// The worker's pid; 0 without one.
  int pid() const { return worker_ ? worker_->pid() : 0; }

 private:
  std::vector<Ruling> evaluate(WorkerRequest request, SteadyPoint until);
  struct Round;
  Round round(const WorkerRequest& request, std::vector<Ruling>& rulings, SteadyPoint until);
  Ruling settle(WorkerEnd end) const;

  Options options_;
  std::unique_ptr<WorkerProcess> worker_;
  bool used_ = false;  ///< the worker has served before: what it ran out of may be an earlier event's doing
};

}  // namespace postern::relay
