#include "relay/limits/shared_activity.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kKeysAtOnce = 64;

/// For each key: accepted, refused. Minutes live for twice the hour that is shown.
const RedisScript& add_script() {
  static const RedisScript script(R"lua(
for i, key in ipairs(KEYS) do
  if ARGV[2 * i - 1] ~= '0' then redis.call('HINCRBY', key, 'accepted', ARGV[2 * i - 1]) end
  if ARGV[2 * i] ~= '0' then redis.call('HINCRBY', key, 'refused', ARGV[2 * i]) end
  redis.call('EXPIRE', key, 7200)
end
return #KEYS
)lua");
  return script;
}

const RedisScript& read_script() {
  static const RedisScript script(R"lua(
local found = {}
for i, key in ipairs(KEYS) do
  found[2 * i - 1] = tonumber(redis.call('HGET', key, 'accepted') or 0) or 0
  found[2 * i] = tonumber(redis.call('HGET', key, 'refused') or 0) or 0
end
return found
)lua");
  return script;
}

std::int64_t minute_of(Time time) {
  return to_unix_seconds(time) / 60;
}

/// The last hour of one source: slot = minute modulo 60.
struct Hour {
  std::array<ActivityMinute, SharedActivity::kMinutes> minutes{};
  std::int64_t latest = 0;

  ActivityMinute& at(std::int64_t minute) {
    ActivityMinute& slot = minutes[static_cast<std::size_t>(minute % SharedActivity::kMinutes)];
    if (slot.minute != minute) slot = {.minute = minute};
    latest = std::max(latest, minute);
    return slot;
  }
  ActivityMinute read(std::int64_t minute) const {
    const ActivityMinute& slot = minutes[static_cast<std::size_t>(minute % SharedActivity::kMinutes)];
    return slot.minute == minute ? slot : ActivityMinute{.minute = minute};
  }
};

}  // namespace

struct SharedActivity::State : std::enable_shared_from_this<State> {
  struct Change {
    SourceId source;
    ActivityMinute minute;
  };

  State(RedisClient* redis, const Clock& time, std::string keys)
      : client(redis), clock(time), prefix(std::move(keys)) {}

  std::string key(SourceId source, std::int64_t minute) const {
    return fmt::format("{}activity:{}:{}", prefix, source.to_string(), minute);
  }
  bool make_room(std::int64_t minute);
  void flush();
  void send(const std::vector<Change>& changes);
  std::vector<ActivityMinute> own(SourceId source, std::int64_t first, std::int64_t last);

  RedisClient* const client;
  const Clock& clock;
  const std::string prefix;
  std::mutex mutex;
  std::unordered_map<SourceId, Hour> hours;
  std::unordered_map<SourceId, ActivityMinute> untold;  ///< of one minute a source, since the last flush
};

/// Sources that were quiet for the whole hour go.
bool SharedActivity::State::make_room(std::int64_t minute) {
  if (hours.size() < kSourcesMost) return true;
  std::erase_if(hours, [minute](const auto& entry) { return entry.second.latest + kMinutes <= minute; });
  return hours.size() < kSourcesMost;
}

void SharedActivity::State::flush() {
  std::unordered_map<SourceId, ActivityMinute> those;
  {
    const std::lock_guard lock(mutex);
    those.swap(untold);
  }
  if (!client->up()) return;
  std::vector<Change> changes;
  for (const auto& [source, minute] : those) {
    changes.push_back({source, minute});
    if (changes.size() == kKeysAtOnce) send(std::exchange(changes, {}));
  }
  if (!changes.empty()) send(changes);
}

void SharedActivity::State::send(const std::vector<Change>& changes) {
  std::vector<std::string> keys, counts;
  for (const Change& change : changes) {
    keys.push_back(key(change.source, change.minute.minute));
    counts.push_back(std::to_string(change.minute.accepted));
    counts.push_back(std::to_string(change.minute.refused));
  }
  client->run(add_script(), std::move(keys), std::move(counts), [](const Result<RedisReply>&) {});
}

std::vector<ActivityMinute> SharedActivity::State::own(SourceId source, std::int64_t first,
                                                       std::int64_t last) {
  const std::lock_guard lock(mutex);
  const auto hour = hours.find(source);
  std::vector<ActivityMinute> found;
  for (std::int64_t minute = first; minute <= last; ++minute) {
    found.push_back(hour == hours.end() ? ActivityMinute{.minute = minute} : hour->second.read(minute));
  }
  return found;
}

SharedActivity::SharedActivity(RedisClient* client, const Clock& clock, std::string prefix)
    : state_(std::make_shared<State>(client, clock, std::move(prefix))) {
  if (client == nullptr) return;
  client->every(std::chrono::seconds(1), [weak = std::weak_ptr(state_)] {
    if (const auto self = weak.lock()) self->flush();
  });
}

SharedActivity::~SharedActivity() = default;

void SharedActivity::count(SourceId source, std::uint32_t accepted, std::uint32_t refused) {
  const std::int64_t minute = minute_of(state_->clock.now());
  const std::lock_guard lock(state_->mutex);
  if (!state_->hours.contains(source) && !state_->make_room(minute)) return;
  ActivityMinute& kept = state_->hours[source].at(minute);
  kept.accepted += accepted;
  kept.refused += refused;
  if (state_->client == nullptr) return;
  ActivityMinute& told = state_->untold[source];
  if (told.minute != minute) told = {.minute = minute};  // the last second of a minute may be lost to the sum
  told.accepted += accepted;
  told.refused += refused;
}

void SharedActivity::recent(SourceId source, std::int64_t minutes, Found found) {
  const std::int64_t last = minute_of(state_->clock.now());
  const std::int64_t first = last + 1 - std::clamp<std::int64_t>(minutes, 1, kMinutes);
  const auto tell = [state = state_, source, first, last, found](const Result<RedisReply>& reply) {
    RecentActivity recent{state->own(source, first, last), false};
    recent.of_all_nodes = reply && reply->items.size() == 2 * recent.minutes.size();
    for (std::size_t i = 0; recent.of_all_nodes && i < recent.minutes.size(); ++i) {
      // Not less than this node's own: those of this second are on their way.
      ActivityMinute& minute = recent.minutes[i];
      minute.accepted = std::max(minute.accepted, static_cast<std::uint64_t>(reply->items[2 * i].integer));
      minute.refused = std::max(minute.refused, static_cast<std::uint64_t>(reply->items[2 * i + 1].integer));
    }
    found(std::move(recent));
  };
  std::vector<std::string> keys;
  for (std::int64_t minute = first; minute <= last; ++minute) keys.push_back(state_->key(source, minute));
  if (state_->client && state_->client->run(read_script(), std::move(keys), {}, tell)) return;
  tell(fail("redis_away", "There is no Redis."));
}

}  // namespace postern::relay
