#include "relay/overload/load_policy.hpp"

namespace postern::relay {
namespace {

/// Of one level, in thousandths: of the longest wait, for the store alone and for the loops too, and of the
/// queue. What is no event's needs no wait of its own.
struct Target {
  int store;
  int answer;
  unsigned filled;
  bool of_events;
};
constexpr std::array<Target, 5> kTargets = {{{200, 200, 250, false},     // no_reads
                                             {400, 400, 400, false},     // no_replays
                                             {600, 600, 550, false},     // no_retries
                                             {1000, 3000, 750, true},    // few_events
                                             {2000, 4000, 900, true}}};  // no_events

/// Whether the sample is above the target divided by `part`.
bool above(const LoadSample& sample, const Target& target, Duration wait_most, int part) {
  const auto is_over = [&](Duration wait, int thousandths) {
    return wait > wait_most * thousandths / (1000 * part);
  };
  return is_over(sample.store_wait, target.store) ||
         is_over(sample.store_wait + sample.loop_wait, target.answer) ||
         sample.filled > target.filled / static_cast<unsigned>(part) ||
         (!target.of_events && is_over(sample.outcome_wait, target.answer));
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
