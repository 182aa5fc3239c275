#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "relay/destination_policy.hpp"

namespace postern::relay {

/// What an attempt says about whether its destination is up.
enum class Health {
  good,    ///< it answered, whatever it thinks of the event
  bad,     ///< down or overloaded
  silent,  ///< nothing: our own fault, or the agent's absence
};

enum class BreakerState { closed, open, half_open };
std::string_view to_text(BreakerState state);

/// The part of a breaker that nodes can share. Counts are each node's own.
struct BreakerSnapshot {
  BreakerState state = BreakerState::closed;
  Time since;             ///< of the last change
  Time probe_at;          ///< open only
  unsigned openings = 0;  ///< since it was last closed: the doubling
  /// Closed only, and only as it is told: somebody closed it who knew better. That goes for its parts, too.
  bool by_reset = false;
  bool operator==(const BreakerSnapshot&) const = default;
};

/// Stops sending to a destination that is down, and finds out when it is up again. Pure; one thread.
///
/// Time is cut into rounds, one from each change of state to the next. An attempt belongs to the round it
/// began in, and what comes of it counts in that round only: attempts that hang for half a minute must not
/// judge what has been tried since.
class Breaker {
 public:
  explicit Breaker(const BreakerPolicy& policy = {}) : policy_(policy) {}
  /// Keeps the state, except that it closes when it is switched off, and that half-open the probing begins
  /// anew.
  void configure(const BreakerPolicy& policy, Time now);

  BreakerState state() const { return shared_.state; }
  /// How many attempts may begin now while half-open.
  unsigned probes_left() const;
  unsigned probing() const { return probing_; }  ///< half-open: begun and not over
  bool lets_through() const;

  /// An attempt begins; only when it lets one through. Returns its round.
  std::uint64_t begin();
  /// What came of it. True: the state has changed.
  bool record(std::uint64_t round, Health health, Time now);
  /// Open, and its time has passed: half-open now. True: the state has changed.
  bool elapse(Time now);
  /// Half-open: those who probe are given up, and as many may begin anew.
  void probe_anew(Time now);
  /// There is a reason to think that it is back: the next elapse() need not wait.
  void probe_soon(Time now);
  /// Closed, with a clean slate: attempts under way count no more. True: the state has changed.
  bool reset(Time now);

  struct Counts {
    unsigned attempts = 0;  ///< in the window, of those that say anything
    unsigned failures = 0;  ///< of these
    unsigned in_a_row = 0;  ///< failures since the last good one
  };
  Counts counts(Time now) const;
  const BreakerSnapshot& snapshot() const { return shared_; }
  /// Takes over what another node found. Its open is open here, for no longer than the policy allows. Its
  /// half-open is open here too, for kProbesTake from now at least: one node's probes are enough, and if
  /// nothing comes of them this one probes by itself; already half-open, it goes on. Its closed is a reset.
  /// True: the state has changed.
  bool restore(const BreakerSnapshot& heard, Time now);
  static constexpr Duration kProbesTake = std::chrono::seconds(5);

 private:
  /// The window slides by a bucket at a time, so it reaches back between nine and ten tenths of its length.
  static constexpr std::int64_t kBuckets = 10;
  struct Bucket {
    std::int64_t number = -1;  ///< which slice of time this is
    unsigned attempts = 0;
    unsigned failures = 0;
  };
  std::int64_t slice(Time now) const;
  void count(bool good, Time now);
  bool is_too_bad(Time now) const;
  bool judge_probe(bool good, Time now);
  void open(Time now);
  Time probe_after(const BreakerSnapshot& heard, Time now) const;
  void enter(BreakerState state, Time now);
  void forget();

  BreakerPolicy policy_;
  BreakerSnapshot shared_;
  std::uint64_t round_ = 1;
  std::array<Bucket, kBuckets> buckets_{};
  unsigned in_a_row_ = 0;
  unsigned probing_ = 0;
  unsigned proven_ = 0;  ///< half-open: good so far
};

}  // namespace postern::relay
