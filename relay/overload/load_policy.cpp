#include "relay/overload/load_policy.hpp"

namespace postern::relay {
namespace {

/// Of one level, in thousandths: of the longest wait, and of the queue. For events it is the store's alone,
/// for all others that for the loops and that of outcomes too.
struct Target {
  int wait;
  unsigned filled;
  bool of_events;
};
constexpr std::array<Target, 5> kTargets = {{{200, 250, false},    // no_reads
                                             {400, 400, false},    // no_replays
                                             {600, 550, false},    // no_retries
                                             {1000, 750, true},    // few_events
                                             {2000, 900, true}}};  // no_events

/// Whether the sample is above the target divided by `part`.
bool above(const LoadSample& sample, const Target& target, Duration wait_most, int part) {
  const Duration most = wait_most * target.wait / (1000 * part);
  if (sample.filled > target.filled / static_cast<unsigned>(part)) return true;
  if (target.of_events) return sample.store_wait > most;
  return sample.store_wait + sample.loop_wait > most || sample.outcome_wait > most;
}

}  // namespace

/// Whether what is on must stay on.
bool LoadPolicy::holds(Step& step, bool above, bool of_events, SteadyTime now) {
  if (!above) step.above.reset();
  if (above && !step.above) step.above = now;
  return above && (of_events || now - *step.above >= kStayed);
}

LoadLevel LoadPolicy::look(const LoadSample& sample, SteadyTime now) {
  static_assert(kTargets.size() == kSteps);
  if (wait_most_ <= Duration::zero()) return LoadLevel::calm;
  int level = 0;
  for (std::size_t i = 0; i < kSteps; ++i) {
    Step& step = steps_[i];
    const Target& target = kTargets[i];
    const bool over = above(sample, target, wait_most_, step.on ? 2 : 1);
    const bool high = step.on ? holds(step, over, target.of_events, now) : over;
    const Duration begin = target.of_events ? kFewLooks : kStayed;
    const Duration end = target.of_events ? Duration::zero() : kRelieved;
    if (high == step.on) {
      step.since.reset();
    } else {
      if (!step.since) step.since = now;
      const bool ripe = now - *step.since >= (step.on ? end : begin);
      const bool in_burst = step.on && over;  // or in more than that: it will show
      if (ripe && !in_burst) step = {!step.on, std::nullopt, step.since};
    }
    if (step.on) level = static_cast<int>(i) + 1;
  }
  return LoadLevel{level};
}

}  // namespace postern::relay
