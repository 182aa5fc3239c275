#include "relay/limits/shared_breakers.hpp"

#include <mutex>
#include <unordered_map>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

/// A hash of version and blob. Answers with what is there afterwards, and for how many milliseconds.
const RedisScript& newer_wins_script() {
  static const RedisScript script(R"lua(
local there = redis.call('HGET', KEYS[1], 'version')
if not there or (tonumber(there) or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'version', ARGV[1], 'blob', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return {redis.call('HGET', KEYS[1], 'version'), redis.call('HGET', KEYS[1], 'blob'), redis.call('PTTL', KEYS[1])}
)lua");
  return script;
}

const RedisScript& look_script() {
  static const RedisScript script(R"lua(
return {redis.call('HGET', KEYS[1], 'version'), redis.call('HGET', KEYS[1], 'blob'), redis.call('PTTL', KEYS[1])}
)lua");
  return script;
}

struct Kept {
  SharedBreakerState state;
  SteadyTime until{};
};

/// nullopt for an error, for nothing, and for what is not ours.
std::optional<Kept> read(const Result<RedisReply>& reply, SteadyTime now) {
  if (!reply || reply->items.size() != 3 || reply->items[1].text.size() > kBreakerBlobMost)
    return std::nullopt;
  const auto version = parse_u64(reply->items[0].text);
  if (!version || reply->items[2].integer <= 0) return std::nullopt;
  return Kept{{*version, reply->items[1].text}, now + std::chrono::milliseconds(reply->items[2].integer)};
}

}  // namespace

struct SharedBreakers::State : std::enable_shared_from_this<State> {
  State(RedisClient& redis, const Clock& time, std::string keys)
      : client(redis), clock(time), prefix(std::move(keys)) {}

  /// The newer of `heard` and what is in memory, which is then in memory.
  std::optional<SharedBreakerState> newest(DestinationId destination, const std::optional<Kept>& heard);
  void ask(const RedisScript& script, DestinationId destination, std::vector<std::string> arguments,
           Found found);

  RedisClient& client;
  const Clock& clock;
  const std::string prefix;
  std::mutex mutex;
  std::unordered_map<DestinationId, Kept> kept;
};

std::optional<SharedBreakerState> SharedBreakers::State::newest(DestinationId destination,
                                                                const std::optional<Kept>& heard) {
  const SteadyTime now = clock.steady();
  const std::lock_guard lock(mutex);
  auto own = kept.find(destination);
  if (own != kept.end() && own->second.until <= now) {
    kept.erase(own);
    own = kept.end();
  }
  if (own != kept.end() && (!heard || heard->state.version <= own->second.state.version))
    return own->second.state;
  if (!heard) return std::nullopt;
  if (own == kept.end() && kept.size() >= kKeptMost) kept.erase(kept.begin());
  kept.insert_or_assign(destination, *heard);
  return heard->state;
}

void SharedBreakers::State::ask(const RedisScript& script, DestinationId destination,
                                std::vector<std::string> arguments, Found found) {
  const auto tell = [self = shared_from_this(), destination, found](Result<RedisReply> reply) {
    const auto state = self->newest(destination, read(reply, self->clock.steady()));
    if (found) found(state);
  };
  const bool taken = client.run(script, {fmt::format("{}breaker:{}", prefix, destination.to_string())},
                                std::move(arguments), tell);
  if (!taken) tell(fail("redis_busy", "Too many commands are open."));
}

SharedBreakers::SharedBreakers(RedisClient& client, const Clock& clock, std::string prefix)
    : state_(std::make_shared<State>(client, clock, std::move(prefix))) {}

SharedBreakers::~SharedBreakers() = default;

void SharedBreakers::publish(DestinationId destination, SharedBreakerState state, Duration lifetime,
                             Found found) {
  const auto life =
      std::max(std::chrono::milliseconds(1), std::chrono::duration_cast<std::chrono::milliseconds>(lifetime));
  state_->newest(destination, Kept{state, state_->clock.steady() + lifetime});
  state_->ask(newer_wins_script(), destination,
              {std::to_string(state.version), std::move(state.blob), std::to_string(life.count())},
              std::move(found));
}

void SharedBreakers::fetch(DestinationId destination, Found found) {
  state_->ask(look_script(), destination, {}, std::move(found));
}

}  // namespace postern::relay
