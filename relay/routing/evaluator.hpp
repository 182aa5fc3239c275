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

  using Rulings = Result<std::vector<Ruling>>;
  /// Whose turn the next run() or check() is. A worker that still goes on with an event of somebody else,
  /// whose time was up, is ended: nobody pays with his time for another's programs.
  void serve(SourceId whose);
  /// One ruling for each of `routes`, in order, by `until`. Error `programs_busy`: it was not to be done in
  /// that time, or no worker could be started, and no program is to blame for it.
  Rulings run(std::string_view meta, std::string_view body, std::vector<RoutePrograms> routes,
              SteadyPoint until);
  /// The same for compiling alone.
  Rulings check(std::vector<RoutePrograms> routes, SteadyPoint until);
  /// The worker's pid; 0 without one.
  int pid() const { return worker_ ? worker_->pid() : 0; }

 private:
  struct Round;
  Rulings evaluate(WorkerRequest request, SteadyPoint until);
  Rulings out_of_time(std::vector<Ruling> rulings, std::size_t routes, bool costly);
  static bool may_be_innocent(const Round& ended);
  Result<void> ensure_worker();
  bool caught_up(SteadyPoint until);
  Round round(const WorkerRequest& request, std::vector<Ruling>& rulings, SteadyPoint until);
  WorkerProcess::Io collect(std::size_t routes, std::vector<Ruling>& rulings, SteadyPoint until);
  Ruling settle(WorkerEnd end) const;

  Options options_;
  std::unique_ptr<WorkerProcess> worker_;
  bool used_ = false;  ///< the worker has served before: what it ran out of may be an earlier event's doing
  SourceId serving_ = {};
  SourceId owed_by_ = {};
  SteadyPoint owed_since_;
  std::size_t owed_ = 0;  ///< rulings the worker still has to give for an event whose time is up
};

}  // namespace postern::relay
