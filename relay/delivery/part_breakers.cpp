#include "relay/delivery/part_breakers.hpp"

#include <algorithm>
#include <iterator>

namespace postern::relay {

PartGate::Pass PartBreakers::begin(const std::string& part) {
  const std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  Breaker& breaker = find_or_make(part).breaker;
  breaker.elapse(now);
  if (breaker.probing() > 0 && now - breaker.snapshot().since >= kProbesLost) breaker.probe_anew(now);
  if (breaker.lets_through()) return {.round = breaker.begin()};
  const bool open = breaker.state() == BreakerState::open;
  return {.round = 0, .wait = open ? std::max(breaker.snapshot().probe_at - now, Duration{}) : kAskAgain};
}

bool PartBreakers::record(const std::string& part, std::uint64_t round, Health health) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(part);
  return found != entries_.end() && found->second.breaker.record(round, health, clock_.now());
}

void PartBreakers::configure(const BreakerPolicy& policy) {
  const std::lock_guard lock(mutex_);
  policy_ = policy;
  for (auto& [part, entry] : entries_) entry.breaker.configure(policy, clock_.now());
}

void PartBreakers::reset() {
  const std::lock_guard lock(mutex_);
  for (auto& [part, entry] : entries_) entry.breaker.reset(clock_.now());
}

std::vector<PartBreakers::Status> PartBreakers::not_closed() const {
  const std::lock_guard lock(mutex_);
  std::vector<Status> found;
  for (const auto& [part, entry] : entries_) {
    if (entry.breaker.state() == BreakerState::closed) continue;
    found.push_back({part, entry.breaker.snapshot(), entry.breaker.counts(clock_.now())});
  }
  return found;
}

std::size_t PartBreakers::remembered() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

PartBreakers::Entry& PartBreakers::find_or_make(const std::string& part) {
  const auto found = entries_.find(part);
  if (found != entries_.end()) {
    asked_.splice(asked_.begin(), asked_, found->second.place);
    return found->second;
  }
  if (entries_.size() >= kMost) make_room();
  const auto made = entries_.emplace(part, Entry{Breaker(policy_), {}}).first;
  asked_.push_front(&made->first);
  made->second.place = asked_.begin();
  return made->second;
}

void PartBreakers::make_room() {
  const auto is_closed = [this](const std::string* part) {
    return entries_.at(*part).breaker.state() == BreakerState::closed;
  };
  const auto closed = std::find_if(asked_.rbegin(), asked_.rend(), is_closed);
  const auto victim = closed == asked_.rend() ? std::prev(asked_.end()) : std::prev(closed.base());
  const std::string part = **victim;
  asked_.erase(victim);
  entries_.erase(part);
}

}  // namespace postern::relay
