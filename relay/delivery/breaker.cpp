#include "relay/delivery/breaker.hpp"

#include <algorithm>

namespace postern::relay {

std::string_view to_text(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
  }
  return "unknown";
}

void Breaker::configure(const BreakerPolicy& policy, Time now) {
  if (policy == policy_) return;
  if (policy.window != policy_.window) buckets_ = {};  // their numbers mean other times now
  policy_ = policy;
  if (!policy_.enabled) reset(now);
  if (shared_.state == BreakerState::half_open) enter(BreakerState::half_open, shared_.since);
}

unsigned Breaker::probes_left() const {
  if (shared_.state != BreakerState::half_open) return 0;
  const unsigned used = probing_ + proven_;
  return policy_.probes > used ? policy_.probes - used : 0;
}

bool Breaker::lets_through() const {
  return shared_.state == BreakerState::closed || probes_left() > 0;
}

std::uint64_t Breaker::begin() {
  if (shared_.state == BreakerState::half_open) ++probing_;
  return round_;
}

bool Breaker::record(std::uint64_t round, Health health, Time now) {
  if (round != round_ || !policy_.enabled) return false;
  const bool probe = shared_.state == BreakerState::half_open;
  if (probe) --probing_;
  if (health == Health::silent) return false;
  if (probe) return judge_probe(health == Health::good, now);
  count(health == Health::good, now);
  if (health == Health::good || !is_too_bad(now)) return false;
  open(now);
  return true;
}

bool Breaker::judge_probe(bool good, Time now) {
  if (!good) {
    open(now);
    return true;
  }
  if (++proven_ < policy_.probes) return false;
  return reset(now);
}

bool Breaker::elapse(Time now) {
  if (shared_.state != BreakerState::open || now < shared_.probe_at) return false;
  enter(BreakerState::half_open, now);
  return true;
}

void Breaker::probe_anew(Time now) {
  if (shared_.state == BreakerState::half_open) enter(BreakerState::half_open, now);
}

void Breaker::probe_soon(Time now) {
  shared_.probe_at = std::min(shared_.probe_at, now);
}

bool Breaker::reset(Time now) {
  forget();
  if (shared_.state == BreakerState::closed) {
    ++round_;
    return false;
  }
  shared_.openings = 0;
  enter(BreakerState::closed, now);
  return true;
}

Breaker::Counts Breaker::counts(Time now) const {
  Counts counts{.in_a_row = in_a_row_};
  const std::int64_t oldest = slice(now) - kBuckets + 1;
  for (const Bucket& bucket : buckets_) {
    if (bucket.number < oldest) continue;
    counts.attempts += bucket.attempts;
    counts.failures += bucket.failures;
  }
  return counts;
}

bool Breaker::restore(const BreakerSnapshot& heard, Time now) {
  if (!policy_.enabled) return false;
  if (heard.state == BreakerState::closed) return reset(now);
  if (heard.state == BreakerState::half_open && shared_.state == BreakerState::half_open) return false;
  const bool changed = shared_.state != BreakerState::open;
  shared_.probe_at = probe_after(heard, now);
  shared_.openings = heard.openings;
  if (changed || heard.state == BreakerState::open) enter(BreakerState::open, std::min(heard.since, now));
  return changed;
}

Time Breaker::probe_after(const BreakerSnapshot& heard, Time now) const {
  const bool waits = shared_.state == BreakerState::open;
  const Time at = heard.state == BreakerState::open ? heard.probe_at
                  : waits                           ? std::max(shared_.probe_at, now + kProbesTake)
                                                    : now + kProbesTake;
  return std::min(at, now + policy_.open_most);
}

std::int64_t Breaker::slice(Time now) const {
  return now.time_since_epoch() / std::max(policy_.window / kBuckets, Duration(1));
}

void Breaker::count(bool good, Time now) {
  const std::int64_t number = slice(now);
  Bucket& bucket = buckets_[static_cast<std::size_t>(number % kBuckets)];
  if (bucket.number != number) bucket = {number};
  ++bucket.attempts;
  bucket.failures += good ? 0 : 1;
  in_a_row_ = good ? 0 : in_a_row_ + 1;
}

bool Breaker::is_too_bad(Time now) const {
  if (in_a_row_ >= policy_.failures_in_a_row) return true;
  const Counts seen = counts(now);
  return seen.attempts >= policy_.least_attempts &&
         std::uint64_t{seen.failures} * 100 >= std::uint64_t{seen.attempts} * policy_.failure_percent;
}

void Breaker::open(Time now) {
  const unsigned doublings = std::min(shared_.openings, 16U);
  ++shared_.openings;
  shared_.probe_at = now + std::min(policy_.open_first * (1 << doublings), policy_.open_most);
  enter(BreakerState::open, now);
}

// The counts stay to be seen while it is open; they are forgotten when it closes.
void Breaker::enter(BreakerState state, Time now) {
  shared_.state = state;
  shared_.since = now;
  if (state != BreakerState::open) shared_.probe_at = Time{};
  probing_ = proven_ = 0;
  ++round_;
}

void Breaker::forget() {
  buckets_ = {};
  in_a_row_ = 0;
}

}  // namespace postern::relay
