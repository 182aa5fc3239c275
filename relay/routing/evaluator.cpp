#include "relay/routing/evaluator.hpp"

#include "base/log.hpp"
#include "relay/routing/payload.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

/// How long a worker may take to read an event: 100 ms of CPU for each MiB, beyond what a program has.
std::uint32_t input_time(Duration program_time, std::size_t bytes) {
  const auto micros =
      program_time.count() + static_cast<std::int64_t>(bytes) * 100'000 / static_cast<std::int64_t>(kMiB);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(micros, 60'000'000));
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

std::vector<Ruling> Evaluator::run(std::string_view meta, std::string_view body,
                                   std::vector<RoutePrograms> routes, SteadyPoint until) {
  WorkerRequest request;
  request.meta = meta;
  request.body = body;
  request.routes = std::move(routes);
  // Parsed JSON takes several times its text: one that cannot fit is not sent at all.
  if (meta.size() + body.size() > options_.command.memory / 3) {
    const auto failed = Ruling::failed(
        Stage::input, Fault::memory,
        fmt::format("the event has {} bytes, too many for routes.memory", meta.size() + body.size()));
    return std::vector<Ruling>(request.routes.size(), failed);
  }
  request.input_time_us = input_time(options_.program_time, meta.size() + body.size());
  return evaluate(std::move(request), until);
}

std::vector<Ruling> Evaluator::check(std::vector<RoutePrograms> routes, SteadyPoint until) {
  WorkerRequest request;
  request.task = WorkerRequest::Task::check;
  request.routes = std::move(routes);
  return evaluate(std::move(request), until);
}

std::vector<Ruling> Evaluator::evaluate(WorkerRequest request, SteadyPoint until) {
  request.program_time_us = static_cast<std::uint32_t>(options_.program_time.count());
  std::vector<Ruling> rulings;
  bool second_try = false;
  while (rulings.size() < request.routes.size()) {
    const std::size_t before = rulings.size();
    const Round ended = round(request, rulings, until);
    if (ended.whole) break;
    if (rulings.size() > before) second_try = false;
    if (ended.late || ended.not_started) {
      const std::string why = ended.late ? "the time for one event was used up" : ended.not_started->message;
      const auto rest = Ruling::failed(Stage::input, ended.late ? Fault::time : Fault::lost, why);
      rulings.resize(request.routes.size(), rest);
      break;
    }
    log::debug("routes.worker_ended", {{"fault", to_text(ended.end.fault)}});
    if (options_.on_worker_lost) options_.on_worker_lost(ended.end.fault);
    const bool innocent = ended.end.fault == Fault::lost || (ended.end.fault != Fault::time && !ended.fresh);
    if (innocent && !std::exchange(second_try, true)) continue;
    second_try = false;
    if (ended.end.stage == Stage::input && ended.end.fault != Fault::lost) {
      rulings.resize(request.routes.size(), settle(ended.end));
    } else {
      rulings.push_back(settle(ended.end));
    }
  }
  return rulings;
}

Evaluator::Round Evaluator::round(const WorkerRequest& request, std::vector<Ruling>& rulings,
                                  SteadyPoint until) {
  using Io = WorkerProcess::Io;
  if (!worker_) {
    auto spawned = WorkerProcess::spawn(options_.command);
    if (!spawned) {
      Round none;
      none.not_started = spawned.error();
      return none;
    }
    worker_ = std::move(*spawned);
    used_ = false;
  }
  Round ended;
  ended.fresh = !std::exchange(used_, true);
  std::string frame;
  Io io = worker_->send(encode(request, rulings.size()), until);
  // What it has answered before it ended counts.
  if (io == Io::ended) io = Io::done;
  while (io == Io::done && rulings.size() < request.routes.size()) {
    io = worker_->receive(frame, until);
    if (io != Io::done) break;
    auto ruling = believed(frame);
    if (ruling)
      rulings.push_back(std::move(*ruling));
    else
      io = Io::ended;
  }
  ended.whole = io == Io::done;
  ended.late = io == Io::late;
  if (!ended.whole) {
    if (!ended.late) ended.end = worker_->wait();
    worker_.reset();
  }
  return ended;
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
