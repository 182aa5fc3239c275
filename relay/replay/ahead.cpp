#include "relay/replay/ahead.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kAskedMost = 50;
constexpr std::size_t kBytesMost = 8 * 1024 * 1024;

}  // namespace

bool would_be_sent(const ReplayCandidate& candidate) {
  return candidate.matches && !candidate.body_expired && !candidate.destination_gone;
}

std::vector<Ahead> replay_ahead(Transaction& tx, const ReplayRepository::Due& which, const PaceLimits& limits,
                                Time now) {
  tx.confine(which.workspace_id);
  ReplayRepository replays(tx);
  std::vector<Ahead> ahead;
  const auto replay = replays.get(which.workspace_id, which.id);
  if (!replay || replay->state != ReplayState::running || replay->walked) return ahead;
  const ReplayPace pace = replay_pace(limits, replay->rate, replay->paced_until, replay->open(), now);
  const std::size_t most = std::min(pace.allowed, kAskedMost);
  if (most == 0) return ahead;
  std::size_t bytes = 0;
  for (const ReplayCandidate& candidate : replays.next(*replay, limits.looked_at)) {
    if (ahead.size() == most) break;
    if (!would_be_sent(candidate)) continue;
    auto event = replays.event(which.workspace_id, candidate);
    if (!event) break;
    bytes += event->body.size();
    if (!ahead.empty() && bytes > kBytesMost) break;
    ahead.push_back({candidate.id, candidate.destination_id, std::move(event)});
  }
  return ahead;
}

}  // namespace postern::relay
