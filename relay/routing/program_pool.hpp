#pragma once
#include <prometheus/registry.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "relay/routing/evaluator.hpp"
#include "relay/routing/program_metrics.hpp"
#include "relay/routing/suspensions.hpp"
#include "relay/routing/waiting_line.hpp"

namespace postern::relay {

/// One event and the routes to ask about it.
struct ProgramJob {
  std::shared_ptr<const Event> event;                          ///< null: only compile
  std::shared_ptr<const std::vector<RoutePrograms>> programs;  ///< not empty
  std::string provider, source;                                ///< names, for the programs to see
  SourceId line = {};                                          ///< whose turn it takes
  bool trial = false;  ///< somebody tries it out: it counts nothing, and a suspended program is run
};

struct ProgramPoolOptions {
  std::size_t workers = 2;  ///< processes, and a thread for each
  Evaluator::Options evaluator;
  std::size_t waiting = 256;
  std::size_t waiting_each = 32;                 ///< of one source
  std::size_t waiting_bytes = 64 * 1024 * 1024;  ///< of bodies; one event is always fine
};

/// Where programs of routes run: a few worker processes, each with a thread that waits for it, off the loops.
/// Nothing is started before the first job. Safe from any thread.
class ProgramPool {
 public:
  ProgramPool(ProgramPoolOptions options, prometheus::Registry& metrics);
  ~ProgramPool();  ///< stop()
  ProgramPool(const ProgramPool&) = delete;
  ProgramPool& operator=(const ProgramPool&) = delete;

  using Rulings = Result<std::vector<Ruling>>;
  using Done = std::function<void(Rulings)>;
  /// `done` is called once, on any thread, not long after `limit`: one ruling a route, or `programs_busy`
  /// when it was not its turn in time, when there is no room to wait, or after stop().
  void submit(ProgramJob job, Duration limit, Done done);
  /// Answers all that wait, lets what runs end, and ends the processes. Once; then everything is
  /// `programs_busy`.
  void stop();
  /// Pids of the workers that run just now.
  std::vector<int> pids() const;

 private:
  struct Waiting {
    ProgramJob job;
    SteadyPoint until;
    Done done;
  };
  static std::size_t bytes_of(const Waiting& waiting);
  bool take(Waiting& waiting);
  void start_once();
  void work(std::size_t number);
  void keep_time();
  Rulings answer(Evaluator& evaluator, const Waiting& waiting);
  Rulings run(Evaluator& evaluator, const Waiting& waiting);
  std::vector<std::size_t> runnable(const ProgramJob& job, std::vector<Ruling>& rulings);
  void note(const ProgramJob& job, const std::vector<Ruling>& rulings);

  const ProgramPoolOptions options_;
  ProgramMetrics metrics_;
  mutable std::mutex mutex_;
  std::condition_variable work_, time_;
  SteadyPoint wake_at_ = SteadyPoint::max();  ///< of the thread that keeps time
  WaitingLine<SourceId, Waiting> line_;
  std::size_t waiting_bytes_ = 0;
  Suspensions suspensions_;
  std::vector<int> pids_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

/// submit() as a coroutine, resumed on the caller's executor.
boost::asio::awaitable<ProgramPool::Rulings> evaluate(ProgramPool& pool, ProgramJob job, Duration limit);

}  // namespace postern::relay
