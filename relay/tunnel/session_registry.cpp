#include "relay/tunnel/session_registry.hpp"

#include <algorithm>
#include <set>

#include "relay/tunnel/hub_session.hpp"
#include "tunnel-proto/wire.hpp"

namespace postern::relay {

void SessionRegistry::add_connection(const Ptr& session) {
  const std::lock_guard lock(mutex_);
  connections_.insert(session);
}

void SessionRegistry::remove_connection(const Ptr& session) {
  const std::lock_guard lock(mutex_);
  connections_.erase(session);
}

template <class Goes>
std::vector<SessionRegistry::Ptr> SessionRegistry::evict(Sessions& sessions, Goes goes) {
  std::vector<Ptr> gone;
  Sessions kept;
  for (Seated& one : sessions) {
    if (!goes(one)) {
      kept.push_back(std::move(one));
      continue;
    }
    if (one.live) --live_;
    gone.push_back(std::move(one.session));
  }
  sessions = std::move(kept);
  return gone;
}

/// The oldest of the other instances, when there are too many.
std::optional<Uuid> SessionRegistry::surplus(const Sessions& sessions, const SessionSeat& seat) {
  std::vector<Uuid> others;
  for (const Seated& one : sessions) {
    const Uuid& instance = one.seat.instance;
    if (instance != seat.instance && std::ranges::count(others, instance) == 0) others.push_back(instance);
  }
  return others.size() >= tunnel::kInstancesMost ? std::optional(others.front()) : std::nullopt;
}

std::vector<SessionRegistry::Ptr> SessionRegistry::take(AgentId agent, const Ptr& session,
                                                        const SessionSeat& seat, bool replicas,
                                                        std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  generations_[agent] = std::max(generations_[agent], generation);
  Sessions& sessions = agents_[agent];
  auto older = evict(sessions, [&](const Seated& one) { return one.seat == seat && !one.live; });
  // One credential must not hold seats without end: those that never came to deliver go first.
  const std::size_t most = 2 * tunnel::kSessionsMost * (replicas ? tunnel::kInstancesMost : 1);
  std::size_t surplus = sessions.size() >= most ? sessions.size() - most + 1 : 0;
  const auto is_surplus = [&](const Seated& one) {
    if (one.live || surplus == 0) return false;
    --surplus;
    return true;
  };
  for (auto& gone : evict(sessions, is_surplus)) older.push_back(std::move(gone));
  sessions.push_back({session, seat, replicas, false, "the first probe is under way"});
  return older;
}

std::uint64_t SessionRegistry::generation(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto found = generations_.find(agent);
  return found == generations_.end() ? 0 : found->second;
}

SessionRegistry::Change SessionRegistry::set_live(AgentId agent, const Ptr& session, bool live,
                                                  std::string why) {
  const std::lock_guard lock(mutex_);
  Seated* one = find(agent, session);
  if (one == nullptr) return {};
  one->why = std::move(why);
  if (one->live == live) return {};
  Sessions& sessions = agents_[agent];
  const bool before = any_live(sessions);
  one->live = live;
  live_ = live ? live_ + 1 : live_ - 1;
  Change change;
  if (live) {
    const SessionSeat seat = one->seat;
    const bool replicas = one->replicas;
    const auto oldest = surplus(sessions, seat);
    // Only those that logged in before it: a late answer of an old one does not drive out the new.
    bool before_it = true;
    change.older = evict(sessions, [&](const Seated& other) {
      if (other.session == session) before_it = false;
      if (!before_it) return false;
      if (other.seat.instance == seat.instance) return other.seat.index == seat.index;
      return !replicas || other.seat.instance == oldest;
    });
  }
  change.news = any_live(sessions) != before;
  return change;
}

bool SessionRegistry::drop(AgentId agent, const Ptr& session) {
  const std::lock_guard lock(mutex_);
  const Seated* one = find(agent, session);
  if (one == nullptr) return false;
  const bool was_live = one->live;
  if (was_live) --live_;
  Sessions& sessions = agents_[agent];
  std::erase_if(sessions, [&](const Seated& other) { return other.session == session; });
  const bool last = was_live && !any_live(sessions);
  if (sessions.empty()) agents_.erase(agent);
  return last;
}

SessionRegistry::Ptr SessionRegistry::pick(AgentId agent, Random& random, const Wish& wish) const {
  const std::lock_guard lock(mutex_);
  const Sessions* sessions = find(agent);
  if (sessions == nullptr) return nullptr;
  std::vector<const Seated*> able;
  const auto gather = [&](bool any_instance) {
    for (const Seated& one : *sessions) {
      const bool fits = any_instance
                            ? std::ranges::find(wish.none_of, one.seat.instance) == wish.none_of.end()
                            : one.seat.instance == wish.instance;
      if (one.live && one.session != wish.except && fits) able.push_back(&one);
    }
  };
  if (wish.instance) gather(false);
  if (able.empty()) gather(true);
  if (able.empty()) return nullptr;
  if (able.size() == 1) return able.front()->session;
  const auto [a, b] = two_of(able.size(), able.size() == 2 ? 0.0 : random.unit());
  return is_better(able[b]->session->load(), able[a]->session->load()) ? able[b]->session : able[a]->session;
}

bool SessionRegistry::live(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const Sessions* sessions = find(agent);
  return sessions != nullptr && any_live(*sessions);
}

std::vector<SessionRegistry::Ptr> SessionRegistry::of(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  std::vector<Ptr> out;
  if (const Sessions* sessions = find(agent)) {
    for (const Seated& one : *sessions) out.push_back(one.session);
  }
  return out;
}

std::vector<SessionRegistry::Ptr> SessionRegistry::of_each_instance(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  std::vector<Ptr> out;
  std::set<Uuid> seen;
  if (const Sessions* sessions = find(agent)) {
    for (const Seated& one : *sessions) {
      if (seen.insert(one.seat.instance).second) out.push_back(one.session);
    }
  }
  return out;
}

AgentStanding SessionRegistry::standing(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  AgentStanding standing;
  const Sessions* sessions = find(agent);
  if (sessions == nullptr) return standing;
  standing.sessions = sessions->size();
  for (const Seated& one : *sessions) {
    if (one.live) ++standing.live;
    if (!one.live) standing.why = one.why;
  }
  return standing;
}

SessionRegistry::Seated* SessionRegistry::find(AgentId agent, const Ptr& session) {
  const auto found = agents_.find(agent);
  if (found == agents_.end()) return nullptr;
  const auto one =
      std::ranges::find_if(found->second, [&](const Seated& other) { return other.session == session; });
  return one == found->second.end() ? nullptr : &*one;
}

const SessionRegistry::Sessions* SessionRegistry::find(AgentId agent) const {
  const auto found = agents_.find(agent);
  return found == agents_.end() ? nullptr : &found->second;
}

bool SessionRegistry::any_live(const Sessions& sessions) {
  return std::ranges::any_of(sessions, &Seated::live);
}

std::vector<SessionRegistry::Ptr> SessionRegistry::connections() const {
  const std::lock_guard lock(mutex_);
  return {connections_.begin(), connections_.end()};
}

std::size_t SessionRegistry::connection_count() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::size_t SessionRegistry::session_count() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

}  // namespace postern::relay
