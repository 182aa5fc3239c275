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
// A program that went over its limits is tried again after ten seconds: it has had its chance by then.
constexpr Duration kSuspendedMost = std::chrono::seconds(25);

}  // namespace

ReplayRunner::ReplayRunner(RunnerParts parts, StepContext context)
    : parts_(std::move(parts)),
      context_(std::move(context)),
      decider_(
          {parts_.database, parts_.catalog, parts_.routes, parts_.refresh, parts_.clock, parts_.shedding}),
      originals_(parts_.loop),
      currents_(parts_.loop) {}

void ReplayRunner::start() {
  spawn(parts_.loop, run(ReplayConfiguration::original, originals_), "replays.run");
  spawn(parts_.loop, run(ReplayConfiguration::current, currents_), "replays.run_current");
}

void ReplayRunner::stop() {
  stopping_ = true;
  decider_.stop();
  originals_.cancel();
  currents_.cancel();
}

asio::awaitable<void> ReplayRunner::run(ReplayConfiguration configuration, asio::steady_timer& timer) {
  while (!stopping_) {
    const bool worked = co_await round(configuration);
    if (stopping_) break;
    timer.expires_after(worked ? kBetweenRounds : kIdle);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

/// Asked when there is a step to make.
bool ReplayRunner::held_back() {
  if (parts_.shedding == nullptr || !parts_.shedding->gives_up(Work::replays)) return false;
  parts_.shedding->count(Work::replays);
  return true;
}

/// Whether there was anything to do.
asio::awaitable<bool> ReplayRunner::round(ReplayConfiguration configuration) {
  using Found = std::vector<Due>;
  auto job = [configuration, runner = context_.runner, now = parts_.clock.now()](Transaction& tx) {
    return ReplayRepository(tx).due(configuration, runner, now, kAtOnce);
  };
  auto due = co_await read<Found>(parts_.database, std::move(job));
  if (!due) co_return false;
  bool worked = false;
  for (const Due& which : *due) {
    if (stopping_ || held_back()) co_return false;
    const bool stepped = co_await step(which, configuration);
    worked |= stepped;
  }
  co_return worked;
}

asio::awaitable<bool> ReplayRunner::step(Due which, ReplayConfiguration configuration) {
  Made made;
  try {
    made = co_await try_step(which, configuration);
  } catch (const std::exception& fault) {
    made = fail("job_failed", fault.what());
  }
  if (!made) {
    co_await count_failure(which, made.error());
    co_return false;
  }
  failures_.erase(which.id);
  if (!stopping_ && made->value_or(0) > 0) parts_.wake();
  co_return made->has_value();
}

asio::awaitable<ReplayRunner::Made> ReplayRunner::try_step(Due which, ReplayConfiguration configuration) {
  if (configuration == ReplayConfiguration::original) co_return co_await make_step(which, {});
  co_return co_await decide_and_step(which);
}

asio::awaitable<ReplayRunner::Made> ReplayRunner::decide_and_step(Due which) {
  auto hold = [which, context = context_, now = parts_.clock.now()](Transaction& tx) -> Result<bool> {
    return replay_hold(tx, which, context, now);
  };
  auto held = co_await write<bool>(parts_.database, std::move(hold));
  if (!held) co_return std::unexpected(held.error());
  if (!*held) co_return std::nullopt;
  auto decisions = co_await decider_.decide(which, context_.limits);
  if (!decisions) co_return std::unexpected(decisions.error());
  if (suspended_for_long(which.id, *decisions)) {
    co_await end_as_failed(
        which,
        "A filter or transform went over its limits again and again, so it was not run. Mend "
        "it, then begin a new replay: it finds what this one has not repeated.");
    co_return std::nullopt;
  }
  if (stopping_) co_return std::nullopt;
  co_return co_await make_step(which, std::move(*decisions));
}

/// Without an end a program that always breaks its limits would let through three deliveries in ten seconds.
bool ReplayRunner::suspended_for_long(ReplayId replay, const Decisions& decisions) {
  if (decisions.waits_for != kProgramsSuspended) {
    suspended_since_.erase(replay);
    return false;
  }
  const SteadyTime since = suspended_since_.try_emplace(replay, parts_.clock.steady()).first->second;
  return parts_.clock.steady() - since > kSuspendedMost;
}

asio::awaitable<ReplayRunner::Made> ReplayRunner::make_step(Due which, Decisions decisions) {
  auto job = [which, decisions = std::make_shared<const Decisions>(std::move(decisions)), context = context_,
              &ids = parts_.ids, &clock = parts_.clock](Transaction& tx) {
    return replay_step(tx, which, context, *decisions, ids, clock.now());
  };
  co_return co_await write<std::optional<std::size_t>>(parts_.database, std::move(job));
}

/// A store that is busy or away is waited for; a step that cannot be made at all ends its replay, visibly.
asio::awaitable<void> ReplayRunner::count_failure(Due which, Error error) {
  if (stopping_ || error.code != "job_failed") co_return;
  log::warn("replay.step_failed", {{"replay", which.id}, {"error", error.message}});
  if (++failures_[which.id] < kFailuresMost) co_return;
  failures_.erase(which.id);
  co_await end_as_failed(which, std::move(error.message));
}

asio::awaitable<void> ReplayRunner::end_as_failed(Due which, std::string why) {
  suspended_since_.erase(which.id);
  log::warn("replay.failed", {{"replay", which.id}, {"error", why}});
  auto job = [which, why = std::move(why), now = parts_.clock.now()](Transaction& tx) {
    return replay_fail(tx, which, why, now);
  };
  auto failed = co_await write<void>(parts_.database, std::move(job));
  if (!failed) log::error("replay.fail_not_kept", {{"replay", which.id}, {"error", failed.error().message}});
}

}  // namespace postern::relay
