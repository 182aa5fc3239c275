#include "relay/replay/runner.hpp"

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

constexpr Duration kIdle = std::chrono::milliseconds(500);
constexpr Duration kBetweenRounds = std::chrono::milliseconds(20);  // others write too
constexpr std::size_t kAtOnce = 20;
constexpr int kFailuresMost = 10;
constexpr std::size_t kRemembered = 100;
constexpr Duration kProgramsLimit = std::chrono::seconds(2);  // for one event; nobody waits for an answer
constexpr Duration kDecidingMost = std::chrono::seconds(3);   // well within the lease of a step

}  // namespace

ReplayRunner::ReplayRunner(RunnerParts parts, StepContext context)
    : parts_(std::move(parts)), context_(std::move(context)), timer_(parts_.loop) {}

void ReplayRunner::start() {
  spawn(parts_.loop, run(), "replays.run");
}

void ReplayRunner::stop() {
  stopping_ = true;
  timer_.cancel();
}

asio::awaitable<void> ReplayRunner::pause(Duration time) {
  timer_.expires_after(time);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> ReplayRunner::run() {
  while (!stopping_) {
    const bool worked = co_await round();
    if (stopping_) break;
    co_await pause(worked ? kBetweenRounds : kIdle);
  }
}

/// Asked when there is a step to make.
bool ReplayRunner::held_back() {
  if (parts_.shedding == nullptr || !parts_.shedding->gives_up(Work::replays)) return false;
  parts_.shedding->count(Work::replays);
  return true;
}

/// Whether there was anything to do.
asio::awaitable<bool> ReplayRunner::round() {
  using Found = std::vector<Due>;
  auto job = [runner = context_.runner, now = parts_.clock.now()](Transaction& tx) {
    return ReplayRepository(tx).due(runner, now, kAtOnce);
  };
  auto due = co_await read<Found>(parts_.database, std::move(job));
  if (!due) co_return false;
  bool worked = false;
  for (const Due& which : *due) {
    if (stopping_ || held_back()) co_return false;
    const bool stepped = co_await step(which);
    worked |= stepped;
  }
  co_return worked;
}

asio::awaitable<std::optional<std::vector<Ahead>>> ReplayRunner::look_ahead(Due which) {
  if (!refreshed_.contains(which.id)) {
    const auto fresh = co_await parts_.refresh();
    if (!fresh) co_return std::nullopt;
    if (refreshed_.size() == kRemembered) refreshed_.clear();
    refreshed_.insert(which.id);
  }
  auto job = [which, limits = context_.limits, now = parts_.clock.now()](Transaction& tx) {
    return replay_ahead(tx, which, limits, now);
  };
  auto ahead = co_await read<std::vector<Ahead>>(parts_.database, std::move(job));
  if (!ahead) co_return std::nullopt;
  co_return std::move(*ahead);
}

/// Asks the routes' programs about what the next step will come to; one event after the other, so that a
/// replay never takes more than one place of those that ingest needs.
asio::awaitable<Decisions> ReplayRunner::decide(Due which) {
  Decisions decisions;
  if (which.configuration == ReplayConfiguration::original) co_return decisions;
  auto ahead = co_await look_ahead(which);
  decisions.waits = !ahead;
  if (!ahead) co_return decisions;
  const SteadyTime end = parts_.clock.steady() + kDecidingMost;
  for (Ahead& next : *ahead) {
    if (stopping_ || parts_.clock.steady() > end) break;
    auto decided =
        co_await parts_.routes.decide(std::move(next.event), next.destination_id, kProgramsLimit, true);
    decisions.waits = !decided;
    if (!decided) break;
    auto& made = decisions.made[next.id];
    if (!decided->empty()) made = std::move(decided->front());
  }
  co_return decisions;
}

asio::awaitable<bool> ReplayRunner::step(Due which) {
  using Made = std::optional<std::size_t>;
  auto decided = co_await decide(which);
  const auto decisions = std::make_shared<const Decisions>(std::move(decided));
  if (stopping_) co_return false;
  auto job = [which, decisions, context = context_, &ids = parts_.ids, &clock = parts_.clock](
                 Transaction& tx) { return replay_step(tx, which, context, *decisions, ids, clock.now()); };
  auto made = co_await write<Made>(parts_.database, std::move(job));
  if (!made) {
    co_await count_failure(which, made.error());
    co_return false;
  }
  failures_.erase(which.id);
  if (!stopping_ && made->value_or(0) > 0) parts_.wake();
  co_return made->has_value();
}

/// A store that is busy or away is waited for; a step that cannot be made at all ends its replay, visibly.
asio::awaitable<void> ReplayRunner::count_failure(Due which, Error error) {
  if (stopping_ || error.code != "job_failed") co_return;
  log::warn("replay.step_failed", {{"replay", which.id}, {"error", error.message}});
  if (++failures_[which.id] < kFailuresMost) co_return;
  failures_.erase(which.id);
  auto job = [which, why = error.message, now = parts_.clock.now()](Transaction& tx) {
    return replay_fail(tx, which, why, now);
  };
  auto failed = co_await write<void>(parts_.database, std::move(job));
  if (!failed) log::error("replay.fail_not_kept", {{"replay", which.id}, {"error", failed.error().message}});
}

}  // namespace postern::relay
