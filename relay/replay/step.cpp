#include "relay/replay/step.hpp"

namespace postern::relay {
namespace {

class Step {
 public:
  Step(ReplayRepository& replays, Replay& replay, const PaceLimits& limits, const Decisions& decisions,
       IdGenerator& ids, Time now)
      : replays_(replays), replay_(replay), limits_(limits), decisions_(decisions), ids_(ids), now_(now) {}

  /// How many it made.
  std::size_t run() {
    replays_.settle(replay_);
    replay_.error.clear();
    if (!replay_.walked) walk();
    end_.looked_to_the_end = replay_.walked;
    replay_.next_step_at = replay_next_step(limits_, end_, replay_.paced_until, now_);
    if (replay_.walked && replay_.open() == 0) {
      replay_.state = ReplayState::done;
      replay_.finished_at = now_;
    }
    return made_;
  }

 private:
  void walk() {
    const ReplayPace pace = replay_pace(limits_, replay_.rate, replay_.paced_until, replay_.open(), now_);
    end_.held_up = replay_.open() >= limits_.open;
    if (pace.allowed == 0) return;
    const auto found = replays_.next(replay_, limits_.looked_at);
    end_.filled = found.size() == limits_.looked_at;
    for (const ReplayCandidate& candidate : found) {
      if (made_ == pace.allowed) return leave_rest(pace);
      if (is_undecided(candidate)) return leave_undecided();
      replay_.cursor = candidate.id;
      if (candidate.matches) take(candidate, pace);
    }
    replay_.walked = !end_.filled;
  }

  void leave_rest(const ReplayPace& pace) { end_.filled = pace.allowed == limits_.per_step; }

  /// Whoever changes a route, or the order of a destination, changes it for what is made from then on.
  bool is_undecided(const ReplayCandidate& candidate) const {
    if (replay_.configuration == ReplayConfiguration::original || !would_be_sent(candidate)) return false;
    const auto found = decisions_.made.find(candidate.id);
    return found == decisions_.made.end() || found->second.basis != replays_.basis(candidate);
  }

  /// They are asked about before the next step.
  void leave_undecided() {
    replay_.error = decisions_.waits_for;
    (decisions_.waits_for.empty() ? end_.filled : end_.held_up) = true;
  }

  void take(const ReplayCandidate& candidate, const ReplayPace& pace) {
    if (candidate.destination_gone) {
      ++replay_.skipped_gone;
      return;
    }
    if (candidate.body_expired) {
      ++replay_.skipped_expired;
      return;
    }
    const Time at = pace.first + pace.apart * static_cast<std::int64_t>(made_);
    if (!make(candidate, at)) {
      ++replay_.skipped_unrouted;
      return;
    }
    replay_.paced_until = at + pace.apart;
    ++replay_.made;
    ++made_;
  }

  /// False when no route goes there.
  bool make(const ReplayCandidate& candidate, Time at) {
    if (replay_.configuration == ReplayConfiguration::original) {
      replays_.make(replay_, candidate, ids_, now_, at);
      return true;
    }
    const auto& decided = decisions_.made.at(candidate.id).delivery;
    if (decided) replays_.make_decided(replay_, candidate, *decided, ids_, now_, at);
    return decided.has_value();
  }

  ReplayRepository& replays_;
  Replay& replay_;
  const PaceLimits& limits_;
  const Decisions& decisions_;
  IdGenerator& ids_;
  const Time now_;
  StepEnd end_;
  std::size_t made_ = 0;
};

}  // namespace

Result<std::optional<std::size_t>> replay_step(Transaction& tx, const ReplayRepository::Due& which,
                                               const StepContext& context, const Decisions& decisions,
                                               IdGenerator& ids, Time now) {
  tx.confine(which.workspace_id);
  ReplayRepository replays(tx);
  auto replay = replays.claim(which, context.runner, now, now + context.lease);
  if (!replay) return std::nullopt;
  const std::size_t made = Step(replays, *replay, context.limits, decisions, ids, now).run();
  if (auto kept = replays.record(*replay); !kept) return std::unexpected(kept.error());
  return made;
}

bool replay_hold(Transaction& tx, const ReplayRepository::Due& which, const StepContext& context, Time now) {
  tx.confine(which.workspace_id);
  return ReplayRepository(tx).claim(which, context.runner, now, now + context.lease).has_value();
}

Result<void> replay_fail(Transaction& tx, const ReplayRepository::Due& which, std::string why, Time now) {
  tx.confine(which.workspace_id);
  ReplayRepository replays(tx);
  auto replay = replays.get(which.workspace_id, which.id);
  if (!replay) return std::unexpected(replay.error());
  if (replay->state != ReplayState::running) return {};
  replay->state = ReplayState::failed;
  replay->error = std::move(why);
  replay->finished_at = now;
  return replays.record(*replay);
}

}  // namespace postern::relay
