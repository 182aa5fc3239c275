#include "relay/routing/program_pool.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include "base/log.hpp"
#include "relay/routing/event_input.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

std::unexpected<Error> busy() {
  return fail("programs_busy", "the programs of the source's routes found no worker in time");
}

SteadyTime to_micros(SteadyPoint at) {
  return std::chrono::time_point_cast<Duration>(at);
}

}  // namespace

ProgramPool::ProgramPool(ProgramPoolOptions options, prometheus::Registry& metrics)
    : options_(std::move(options)), metrics_(metrics), line_(options_.waiting, options_.waiting_each) {}

ProgramPool::~ProgramPool() {
  stop();
}

/// With the lock held.
void ProgramPool::start_once() {
  if (!threads_.empty()) return;
  pids_.assign(options_.workers, 0);
  for (std::size_t i = 0; i < options_.workers; ++i) threads_.emplace_back([this, i] { work(i); });
  threads_.emplace_back([this] { keep_time(); });
}

std::size_t ProgramPool::bytes_of(const Waiting& waiting) {
  return waiting.job.event ? waiting.job.event->body.size() : 0;
}

/// With the lock held. Takes nothing when it answers false.
bool ProgramPool::take(Waiting& waiting) {
  if (stopping_) return false;
  start_once();
  const std::size_t bytes = bytes_of(waiting);
  const SteadyPoint until = waiting.until;
  if (line_.size() > 0 && waiting_bytes_ + bytes > options_.waiting_bytes) return false;
  if (!line_.push(waiting.job.line, waiting.until, waiting)) return false;
  waiting_bytes_ += bytes;
  // Limits are alike, so it mostly wakes early enough already.
  if (until < wake_at_) time_.notify_one();
  return true;
}

void ProgramPool::submit(ProgramJob job, Duration limit, Done done) {
  Waiting waiting{std::move(job), std::chrono::steady_clock::now() + limit, std::move(done)};
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    taken = take(waiting);
  }
  if (taken) return work_.notify_one();
  metrics_.busy.Increment();
  waiting.done(busy());
}

void ProgramPool::stop() {
  std::vector<std::thread> threads;
  std::vector<Waiting> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads = std::exchange(threads_, {});
    left = line_.expire(SteadyPoint::max());
  }
  work_.notify_all();
  time_.notify_all();
  for (Waiting& waiting : left) waiting.done(busy());
  for (std::thread& thread : threads) thread.join();
}

std::vector<int> ProgramPool::pids() const {
  const std::lock_guard lock(mutex_);
  std::vector<int> running = pids_;
  std::erase(running, 0);
  return running;
}

void ProgramPool::work(std::size_t number) {
  auto options = options_.evaluator;
  options.on_worker_lost = [this](Fault fault) { metrics_.worker_ended(fault); };
  Evaluator evaluator(std::move(options));
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return stopping_ || line_.size() > 0; });
    auto waiting = line_.pop();
    if (!waiting) return;  // stopping
    waiting_bytes_ -= bytes_of(*waiting);
    lock.unlock();
    Rulings rulings = answer(evaluator, *waiting);
    lock.lock();
    pids_[number] = evaluator.pid();
    lock.unlock();
    waiting->done(std::move(rulings));
    lock.lock();
  }
}

ProgramPool::Rulings ProgramPool::answer(Evaluator& evaluator, const Waiting& waiting) {
  try {
    return run(evaluator, waiting);
  } catch (const std::exception& fault) {
    log::error("routes.evaluation_failed", {{"error", fault.what()}});
    return busy();
  }
}

/// Those whose time is up before it is their turn.
void ProgramPool::keep_time() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_at_ = line_.earliest().value_or(SteadyPoint::max());
    if (wake_at_ == SteadyPoint::max())
      time_.wait(lock);
    else
      time_.wait_until(lock, wake_at_);
    auto late = line_.expire(std::chrono::steady_clock::now());
    if (late.empty()) continue;
    for (const Waiting& waiting : late) waiting_bytes_ -= bytes_of(waiting);
    lock.unlock();
    for (Waiting& waiting : late) {
      metrics_.busy.Increment();
      waiting.done(busy());
    }
    lock.lock();
  }
}

/// Which routes are to be run; the others have their rulings.
std::vector<std::size_t> ProgramPool::runnable(const ProgramJob& job, std::vector<Ruling>& rulings) {
  std::vector<std::size_t> places;
  const SteadyTime now = to_micros(std::chrono::steady_clock::now());
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < job.programs->size(); ++i) {
    if (job.trial || !suspensions_.suspended(job.event->workspace_id, (*job.programs)[i], now)) {
      places.push_back(i);
      continue;
    }
    rulings[i] =
        Ruling::failed(Stage::filter, Fault::suspended,
                       fmt::format("not run: it went over its limits {} times in a row; it is tried again "
                                   "after {}",
                                   Suspensions::kStrikes, format_duration(Suspensions::kPause)));
  }
  return places;
}

void ProgramPool::note(const ProgramJob& job, const std::vector<Ruling>& rulings) {
  if (job.trial) return;
  const SteadyTime now = to_micros(std::chrono::steady_clock::now());
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < rulings.size(); ++i) {
    metrics_.count(rulings[i]);
    if (rulings[i].kind == Ruling::Kind::failed && rulings[i].fault == Fault::suspended) continue;
    suspensions_.note(job.event->workspace_id, (*job.programs)[i], rulings[i], now);
  }
}

ProgramPool::Rulings ProgramPool::run(Evaluator& evaluator, const Waiting& waiting) {
  const ProgramJob& job = waiting.job;
  evaluator.serve(job.line);
  if (!job.event) return evaluator.check(*job.programs, waiting.until);
  const auto began = std::chrono::steady_clock::now();
  std::vector<Ruling> rulings(job.programs->size());
  const auto places = runnable(job, rulings);
  std::vector<RoutePrograms> routes;
  routes.reserve(places.size());
  for (const std::size_t place : places) routes.push_back((*job.programs)[place]);
  if (!routes.empty()) {
    const std::string meta = event_input(*job.event, job.provider, job.source);
    auto found = evaluator.run(meta, job.event->body, std::move(routes), waiting.until);
    if (!found) {
      metrics_.busy.Increment();
      return std::unexpected(found.error());
    }
    for (std::size_t i = 0; i < places.size(); ++i) rulings[places[i]] = std::move((*found)[i]);
  }
  note(job, rulings);
  metrics_.seconds.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  return rulings;
}

asio::awaitable<ProgramPool::Rulings> evaluate(ProgramPool& pool, ProgramJob job, Duration limit) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // The guard keeps the loop alive while only the pool holds the coroutine.
  auto initiate = [&pool, executor, limit, job = std::move(job)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto guarded = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    pool.submit(std::move(job), limit, [shared, guarded](ProgramPool::Rulings rulings) {
      asio::post(guarded,
                 [shared, rulings = std::move(rulings)]() mutable { (*shared)(std::move(rulings)); });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(ProgramPool::Rulings)>(
      std::move(initiate), asio::use_awaitable);
}

}  // namespace postern::relay
