#include "relay/routing/evaluator.hpp"

#include "base/log.hpp"
#include "relay/routing/payload.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
/// What a worker does is bounded in CPU time; one that has not come to an end by then does not run at all.
constexpr auto kOwedMost = std::chrono::seconds(30);

/// How long a worker may take to read an event: 250 ms of CPU for each MiB, beyond what a program has.
std::uint32_t input_time(Duration program_time, std::size_t bytes) {
  const auto micros =
      program_time.count() + static_cast<std::int64_t>(bytes) * 250'000 / static_cast<std::int64_t>(kMiB);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(micros, 60'000'000));
}

/// Parsed JSON takes some sixteen times its text. What could hardly fit is not sent, so that no worker ends
/// on it.
std::size_t body_most(std::string_view body, std::uint64_t memory) {
  const auto first = body.find_first_not_of(" \t\r\n");
  const bool structured = first != body.npos && (body[first] == '{' || body[first] == '[');
  return memory / (structured ? 16 : 4);
}

/// What a worker says is checked as if the program had written it.
std::optional<Ruling> believed(std::string_view frame) {
  auto ruling = decode_ruling(frame);
  if (!ruling || !ruling->payload) return ruling;
  if (auto sound = check_payload(*ruling->payload); !sound) {
    const Fault fault = sound.error().code == "too_large" ? Fault::too_large : Fault::shape;
    return Ruling::failed(Stage::transform, fault, sound.error().message);
  }
  return ruling;
}

std::string_view what_of(Stage stage) {
  return stage == Stage::input    ? "reading the event"
         : stage == Stage::filter ? "the filter"
                                  : "the transform";
}

}  // namespace

/// How one worker's turn ended.
struct Evaluator::Round {
  bool whole = false;  ///< every route has its ruling
  bool late = false;   ///< the time for the event was used up
  bool fresh = false;  ///< it was the worker's first event
  WorkerEnd end = {};
  std::optional<Error> not_started = {};
};

void Evaluator::serve(SourceId whose) {
  serving_ = whose;
  if (owed_ == 0 || owed_by_ == whose) return;
  owed_ = 0;
  worker_.reset();
}

Evaluator::Rulings Evaluator::run(std::string_view meta, std::string_view body,
                                  std::vector<RoutePrograms> routes, SteadyPoint until) {
  WorkerRequest request;
  request.meta = meta;
  request.body = body;
  request.routes = std::move(routes);
  const std::size_t most = body_most(body, options_.command.memory);
  if (body.size() > most) {
    const auto failed =
        Ruling::failed(Stage::input, Fault::memory,
                       fmt::format("the event's body has {} bytes; with routes.memory at {} MiB, "
                                   "programs can be given at most {}",
                                   body.size(), options_.command.memory / kMiB, most));
    return std::vector<Ruling>(request.routes.size(), failed);
  }
  request.input_time_us = input_time(options_.program_time, meta.size() + body.size());
  return evaluate(std::move(request), until);
}

Evaluator::Rulings Evaluator::check(std::vector<RoutePrograms> routes, SteadyPoint until) {
  WorkerRequest request;
  request.task = WorkerRequest::Task::check;
  request.routes = std::move(routes);
  return evaluate(std::move(request), until);
}

Evaluator::Rulings Evaluator::evaluate(WorkerRequest request, SteadyPoint until) {
  request.program_time_us = static_cast<std::uint32_t>(options_.program_time.count());
  std::vector<Ruling> rulings;
  bool second_try = false;
  bool costly = false;
  while (rulings.size() < request.routes.size()) {
    const std::size_t before = rulings.size();
    const Round ended = round(request, rulings, until);
    if (ended.whole) break;
    if (ended.not_started) return fail("programs_busy", ended.not_started->message);
    if (ended.late) return out_of_time(std::move(rulings), request.routes.size(), costly);
    if (options_.on_worker_lost) options_.on_worker_lost(ended.end.fault);
    if (rulings.size() > before) second_try = false;
    if (may_be_innocent(ended) && !std::exchange(second_try, true)) continue;
    second_try = false;
    costly = costly || ended.end.fault != Fault::lost;
    const bool of_event = ended.end.stage == Stage::input && ended.end.fault != Fault::lost;
    rulings.resize(of_event ? request.routes.size() : rulings.size() + 1, settle(ended.end));
  }
  return rulings;
}

/// What it ran out of may be an earlier event's doing; a new worker will tell.
bool Evaluator::may_be_innocent(const Round& ended) {
  return ended.end.fault == Fault::lost || (ended.end.fault != Fault::time && !ended.fresh);
}

/// Programs that broke their limits used up the time: then the rest of the event pays with them. Otherwise
/// there was too much to compile at once, or the machine is busy: the same event will do better when it comes
/// again, for the worker goes on with it meanwhile.
Evaluator::Rulings Evaluator::out_of_time(std::vector<Ruling> rulings, std::size_t routes, bool costly) {
  if (!costly) return fail("programs_busy", "the programs of the source's routes did not end in time");
  owed_ = 0;
  worker_.reset();
  rulings.resize(routes, Ruling::failed(Stage::input, Fault::time, "the time for one event was used up"));
  return rulings;
}

Result<void> Evaluator::ensure_worker() {
  if (worker_) return {};
  auto spawned = WorkerProcess::spawn(options_.command);
  if (!spawned) return std::unexpected(spawned.error());
  worker_ = std::move(*spawned);
  used_ = false;
  owed_ = 0;
  return {};
}

/// Takes what the worker still had to say of an event that nobody waits for any more.
bool Evaluator::caught_up(SteadyPoint until) {
  std::string frame;
  for (; owed_ > 0; --owed_) {
    const auto io = worker_->receive(frame, until);
    if (io == WorkerProcess::Io::done) continue;
    const bool late = io == WorkerProcess::Io::late;
    if (!late || std::chrono::steady_clock::now() - owed_since_ > kOwedMost) worker_.reset();
    return !late;
  }
  return true;
}

Evaluator::Round Evaluator::round(const WorkerRequest& request, std::vector<Ruling>& rulings,
                                  SteadyPoint until) {
  using Io = WorkerProcess::Io;
  Round ended;
  ended.late = worker_ && !caught_up(until);
  if (ended.late) return ended;
  if (auto started = ensure_worker(); !started) {
    ended.not_started = started.error();
    return ended;
  }
  ended.fresh = !std::exchange(used_, true);
  Io io = worker_->send(encode(request, rulings.size()), until);
  if (io == Io::late) worker_.reset();  // in the middle of a frame: there is no going on
  // What it has answered before it ended counts.
  if (io == Io::ended) io = Io::done;
  if (io == Io::done) io = collect(request.routes.size(), rulings, until);
  ended.whole = io == Io::done;
  ended.late = io == Io::late;
  if (ended.late) {
    owed_ = request.routes.size() - rulings.size();
    owed_by_ = serving_;
    owed_since_ = std::chrono::steady_clock::now();
  }
  if (io == Io::ended) {
    ended.end = worker_->wait();
    worker_.reset();
  }
  return ended;
}

WorkerProcess::Io Evaluator::collect(std::size_t routes, std::vector<Ruling>& rulings, SteadyPoint until) {
  std::string frame;
  while (rulings.size() < routes) {
    const auto io = worker_->receive(frame, until);
    if (io != WorkerProcess::Io::done) return io;
    auto ruling = believed(frame);
    if (!ruling) return WorkerProcess::Io::ended;
    rulings.push_back(std::move(*ruling));
  }
  return WorkerProcess::Io::done;
}

Ruling Evaluator::settle(WorkerEnd end) const {
  const std::string_view what = what_of(end.stage);
  switch (end.fault) {
    case Fault::time:
      return Ruling::failed(
          end.stage, end.fault,
          fmt::format("{} took more than {} of CPU time", what, format_duration(options_.program_time)));
    case Fault::memory:
      return Ruling::failed(
          end.stage, end.fault,
          fmt::format("{} took more than {} MiB of memory", what, options_.command.memory / kMiB));
    case Fault::crashed:
      return Ruling::failed(end.stage, end.fault,
                            fmt::format("{} broke jq, most likely with a value nested too deeply", what));
    default:
      return Ruling::failed(end.stage, Fault::lost,
                            "the process that ran it ended twice, for no reason of its own");
  }
}

}  // namespace postern::relay
