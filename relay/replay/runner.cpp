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

asio::awaitable<bool> ReplayRunner::step(Due which) {
  using Made = std::optional<std::size_t>;
  auto job = [which, context = context_, &ids = parts_.ids, &clock = parts_.clock](Transaction& tx) {
    return replay_step(tx, which, context, ids, clock.now());
  };
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
