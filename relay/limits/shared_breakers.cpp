#include "relay/limits/shared_breakers.hpp"

#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "base/bytes.hpp"
#include "base/log.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kAtOnce = 64;  ///< told or read in one turn; the rest comes in the next

/// KEYS: the state, the list, its number. A version or a place too far ahead is none of ours, nor is a state
/// of another type: what was there goes. The list grows by time and forgets after two days, so it is no
/// longer than what moved since.
const RedisScript& tell_script() {
  static const RedisScript script(R"lua(
local time, ahead = redis.call('TIME'), tonumber(ARGV[4])
local now = time[1] * 1000000 + time[2]
local there = redis.pcall('HMGET', KEYS[1], 'version', 'blob')
if there.err then redis.call('DEL', KEYS[1]) end
local version, mine = tonumber(there[1] or 0) or 0, tonumber(ARGV[1])
if version > mine and version <= mine + ahead then return 0 end
if version == mine and there[2] and there[2] > ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'blob', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local newest = tonumber(redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or 0)
if newest > now + ahead then redis.call('DEL', KEYS[2], KEYS[3]) end
if newest >= now and newest <= now + ahead then now = newest + 1 end
redis.call('SET', KEYS[3], string.format('%.0f', now), 'NX')
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - 172800000000))
return 1
)lua");
  return script;
}

/// Answers with the list's number and, four each: destination, place in the list, version, blob. One that is
/// of another type has a version that is none: it must not hide the others.
const RedisScript& look_script() {
  static const RedisScript script(R"lua(
local answer = {redis.call('GET', KEYS[2]) or ''}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #found, 2 do
  local state = redis.pcall('HMGET', ARGV[3] .. found[i], 'version', 'blob')
  if state.err then state = {'none', ''} end
  for _, word in ipairs({found[i], found[i + 1], state[1] or '', state[2] or ''}) do table.insert(answer, word) end
end
return answer
)lua");
  return script;
}

struct Kept {
  SharedBreakerState state;
  SteadyTime until{};
};

}  // namespace

struct SharedBreakers::State : std::enable_shared_from_this<State> {
  State(RedisClient& redis, const Clock& time, std::string keys)
      : client(redis), clock(time), prefix(std::move(keys)) {}

  bool keep(DestinationId destination, SharedBreakerState state, Duration lifetime);
  bool make_room(SteadyTime now);
  void turn();
  void tell_some();
  void tell(DestinationId destination, const Kept& kept);
  void told(DestinationId destination, const Result<RedisReply>& reply);
  void look();
  void looked(const Result<RedisReply>& reply);
  void read(std::span<const RedisReply> words);
  void tell_all_again();
  void note_caught_up();
  void complain(std::string_view reason);

  RedisClient& client;
  const Clock& clock;
  const std::string prefix;
  Heard heard;
  mutable std::mutex mutex;
  mutable std::condition_variable change;
  std::unordered_map<DestinationId, Kept> kept;
  std::unordered_set<DestinationId> untold;
  bool caught_up = false;
  // On the client's thread.
  std::string since;          ///< the list's number when it was last read
  std::string seen = "-inf";  ///< place in the list
  bool looking = false;
  bool complained = false;  ///< since the last answer without fault
  bool faultless = true;    ///< nothing in this answer was complained of
};

/// True: it is newer than what was there.
bool SharedBreakers::State::keep(DestinationId destination, SharedBreakerState state, Duration lifetime) {
  const SteadyTime now = clock.steady();
  const auto there = kept.find(destination);
  if (there != kept.end() && there->second.until > now && there->second.state >= state) return false;
  if (there == kept.end() && !make_room(now)) kept.erase(kept.begin());
  kept.insert_or_assign(destination, Kept{std::move(state), now + lifetime});
  return true;
}

bool SharedBreakers::State::make_room(SteadyTime now) {
  if (kept.size() < kKeptMost) return true;
  std::erase_if(kept, [now](const auto& entry) { return entry.second.until <= now; });
  return kept.size() < kKeptMost;
}

void SharedBreakers::State::turn() {
  if (!client.up()) return;
  tell_some();
  look();
}

void SharedBreakers::State::tell_some() {
  const SteadyTime now = clock.steady();
  const std::lock_guard lock(mutex);
  for (std::size_t n = 0; n < kAtOnce && !untold.empty(); ++n) {
    const DestinationId destination = *untold.begin();
    untold.erase(untold.begin());
    const auto found = kept.find(destination);
    if (found != kept.end() && found->second.until > now) tell(destination, found->second);
  }
}

/// Its answer comes on this thread later: the lock is free then.
void SharedBreakers::State::tell(DestinationId destination, const Kept& one) {
  const auto life =
      std::chrono::duration_cast<std::chrono::milliseconds>(one.until - clock.steady()).count() + 1;
  const std::string name = destination.to_string();
  const bool taken =
      client.run(tell_script(), {prefix + "breaker:" + name, prefix + "breakers", prefix + "breakers:since"},
                 {std::to_string(one.state.version), one.state.blob, std::to_string(life),
                  std::to_string(kAheadMost.count()), name},
                 [self = shared_from_this(), destination](const Result<RedisReply>& reply) {
                   self->told(destination, reply);
                 });
  if (!taken) untold.insert(destination);
}

void SharedBreakers::State::told(DestinationId destination, const Result<RedisReply>& reply) {
  if (reply && reply->is_error()) return complain(reply->text);  // it would be one again
  if (reply) return;
  const std::lock_guard lock(mutex);
  untold.insert(destination);
}

void SharedBreakers::State::look() {
  if (std::exchange(looking, true)) return;
  const bool taken = client.run(look_script(), {prefix + "breakers", prefix + "breakers:since"},
                                {seen, std::to_string(kAtOnce), prefix + "breaker:"},
                                [self = shared_from_this()](const Result<RedisReply>& reply) {
                                  self->looking = false;
                                  self->looked(reply);
                                });
  if (!taken) looking = false;
}

void SharedBreakers::State::looked(const Result<RedisReply>& reply) {
  if (!reply) return;
  if (reply->kind != RedisReply::Kind::list || reply->items.size() % 4 != 1)
    return complain(reply->is_error() ? reply->text : std::string("an unexpected answer"));
  faultless = true;
  if (std::exchange(since, reply->items.front().text) != reply->items.front().text) {
    tell_all_again();
    if (std::exchange(seen, "-inf") != "-inf") return look();  // from its beginning
  }
  const std::span<const RedisReply> words = std::span(reply->items).subspan(1);
  const std::string before = seen;
  for (std::size_t i = 0; i < words.size(); i += 4) read(words.subspan(i, 4));
  if (faultless) complained = false;
  if (words.size() == 4 * kAtOnce && seen != before) return look();
  note_caught_up();
}

/// Whatever it is, it has been seen: the next question goes on behind it.
void SharedBreakers::State::read(std::span<const RedisReply> words) {
  seen = words[1].text;
  if (!parse_u64(seen)) return complain("a place in the list that is none");
  if (words[2].text.empty()) return;  // its time is over
  const auto destination = DestinationId::parse(words[0].text);
  const auto version = parse_u64(words[2].text);
  const auto last = static_cast<std::uint64_t>(to_micros(clock.now() + kAheadMost));
  if (!destination || !version || *version > last || words[3].text.size() > kBreakerBlobMost)
    return complain("a state of a breaker that is none");
  {
    const std::lock_guard lock(mutex);
    if (!keep(*destination, {*version, words[3].text}, kAheadMost)) return;
    untold.erase(*destination);
  }
  if (heard) heard(*destination);
}

void SharedBreakers::State::tell_all_again() {
  const std::lock_guard lock(mutex);
  for (const auto& [destination, state] : kept) untold.insert(destination);
}

void SharedBreakers::State::note_caught_up() {
  const std::lock_guard lock(mutex);
  if (!std::exchange(caught_up, true)) change.notify_all();
}

void SharedBreakers::State::complain(std::string_view reason) {
  faultless = false;
  if (std::exchange(complained, true)) return;
  log::warn("breakers.not_shared",
            {{"reason", reason}, {"meaning", "it is ignored; each node's own breaker goes on"}});
}

SharedBreakers::SharedBreakers(RedisClient& client, const Clock& clock, std::string prefix)
    : state_(std::make_shared<State>(client, clock, std::move(prefix))) {
  client.every(kLookEvery, [weak = std::weak_ptr(state_)] {
    if (const auto self = weak.lock()) self->turn();
  });
}

SharedBreakers::~SharedBreakers() = default;

void SharedBreakers::publish(DestinationId destination, SharedBreakerState state, Duration lifetime) {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->keep(destination, std::move(state), lifetime)) return;
    state_->untold.insert(destination);
  }
  look();
}

std::optional<SharedBreakerState> SharedBreakers::known(DestinationId destination) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->kept.find(destination);
  if (found == state_->kept.end() || found->second.until <= state_->clock.steady()) return std::nullopt;
  return found->second.state;
}

void SharedBreakers::on_heard(Heard listener) {
  state_->heard = std::move(listener);
}

void SharedBreakers::look() {
  state_->client.post([self = state_] { self->turn(); });
}

bool SharedBreakers::wait_caught_up(Duration most) const {
  std::unique_lock lock(state_->mutex);
  return state_->change.wait_for(lock, most, [this] { return state_->caught_up; });
}

}  // namespace postern::relay
