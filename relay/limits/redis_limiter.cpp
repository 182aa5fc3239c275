#include "relay/limits/redis_limiter.hpp"

#include <prometheus/counter.h>

#include <atomic>

#include "base/log.hpp"
#include "relay/limits/shared_ledger.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kKeysAtOnce = 64;      ///< in one command
constexpr std::size_t kCommandsAtOnce = 32;  ///< in one turn; the rest waits for the next

/// For each key: taken, interval, age of the first, and how far ahead it may lie at most. The answer is how
/// far ahead each lies now. All times are Redis' own, in microseconds, so nodes need no common clock.
const RedisScript& ledger_script() {
  static const RedisScript script(R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i, key in ipairs(KEYS) do
  local taken, interval = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local age, most = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local arrival = tonumber(redis.call('GET', key) or 0) or 0
  arrival = math.min(math.max(arrival, now - age) + taken * interval, now + most)
  if arrival > now then
    redis.call('SET', key, string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1000)
  else
    redis.call('DEL', key)
  end
  answers[i] = arrival - now
end
return answers
)lua");
  return script;
}

}  // namespace

struct RedisLimiter::State : std::enable_shared_from_this<State> {
  struct Told {
    std::string key;
    LedgerEntry entry;
  };

  State(RedisClient& redis, const Clock& time, prometheus::Registry& metrics, RedisLimiterOptions given)
      : client(redis), clock(time), options(std::move(given)), table(options.keys_most) {
    auto& family = prometheus::BuildCounter()
                       .Name("postern_limits_told_total")
                       .Help("Limits told to the other nodes through Redis, by what came of it")
                       .Register(metrics);
    heard = &family.Add({{"result", "heard"}});
    unheard = &family.Add({{"result", "unheard"}});
  }

  void note(std::string_view key, LimiterTable::Entry& state, std::int32_t taken, SteadyTime now);
  void list(std::string key);
  void nudge();
  void tell();
  std::optional<LedgerEntry> tell_of(const std::string& key, SteadyTime now);
  void send(std::vector<Told> told);
  void answered(const std::vector<Told>& told, const Result<RedisReply>& reply);
  std::string name(const Told& told) const;

  RedisClient& client;
  const Clock& clock;
  const RedisLimiterOptions options;
  LimiterTable table;
  std::mutex listed_mutex;  ///< taken under a shard's lock, never the other way round
  std::vector<std::string> listed;
  std::atomic<std::size_t> open = 0;
  std::atomic<bool> nudged = false;
  bool complained = false;  ///< of an error reply, since the last good one; on the client's thread
  prometheus::Counter* heard;
  prometheus::Counter* unheard;
};

/// Under the lock of the key's shard.
void RedisLimiter::State::note(std::string_view key, LimiterTable::Entry& state, std::int32_t taken,
                               SteadyTime now) {
  if (!client.up()) {
    state.untold = 0;
    return;
  }
  ledger_note(state, taken, now);
  if (!std::exchange(state.listed, true)) {
    ++open;
    list(std::string(key));
  }
  if (state.untold >= static_cast<std::int32_t>(std::max(1U, state.pace.burst / 16))) nudge();
}

void RedisLimiter::State::list(std::string key) {
  const std::lock_guard lock(listed_mutex);
  listed.push_back(std::move(key));
}

void RedisLimiter::State::nudge() {
  if (nudged.exchange(true)) return;
  client.post([self = shared_from_this()] { self->tell(); });
}

/// On the client's thread.
void RedisLimiter::State::tell() {
  nudged = false;
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(listed_mutex);
    keys.swap(listed);
  }
  const SteadyTime now = clock.steady();
  std::vector<Told> told;
  std::size_t commands = 0;
  for (std::string& key : keys) {
    const auto entry = commands < kCommandsAtOnce ? tell_of(key, now) : std::nullopt;
    if (!entry) {  // another turn: it is listed still
      list(std::move(key));
      continue;
    }
    told.push_back({std::move(key), *entry});
    if (told.size() < kKeysAtOnce) continue;
    send(std::exchange(told, {}));
    ++commands;
  }
  if (!told.empty()) send(std::move(told));
}

/// nullopt while the last answer is still on its way: told entries of one key must not overtake each other.
std::optional<LedgerEntry> RedisLimiter::State::tell_of(const std::string& key, SteadyTime now) {
  return table.use(key, now, [&](LimiterTable::Entry& state) -> std::optional<LedgerEntry> {
    if (state.telling) return std::nullopt;
    state.listed = false;
    return ledger_tell(state, now);
  });
}

std::string RedisLimiter::State::name(const Told& told) const {
  // With the pace: a limit that was changed starts anew.
  return fmt::format("{}limit:{}:{}:{}", options.prefix, told.key, told.entry.pace.interval.count(),
                     told.entry.pace.burst);
}

void RedisLimiter::State::send(std::vector<Told> told) {
  std::vector<std::string> keys, arguments;
  for (const Told& one : told) {
    keys.push_back(name(one));
    arguments.push_back(std::to_string(one.entry.taken));
    arguments.push_back(std::to_string(one.entry.pace.interval.count()));
    arguments.push_back(std::to_string(one.entry.age.count()));
    arguments.push_back(std::to_string((one.entry.pace.tolerance() * kLedgerBurstsMost).count()));
  }
  const auto all = std::make_shared<const std::vector<Told>>(std::move(told));
  const bool taken =
      client.run(ledger_script(), std::move(keys), std::move(arguments),
                 [self = shared_from_this(), all](Result<RedisReply> reply) { self->answered(*all, reply); });
  if (!taken) answered(*all, fail("redis_busy", "Too many commands are open."));
}

void RedisLimiter::State::answered(const std::vector<Told>& told, const Result<RedisReply>& reply) {
  const bool good = reply && reply->kind == RedisReply::Kind::list && reply->items.size() == told.size();
  (good ? heard : unheard)->Increment(static_cast<double>(told.size()));
  if (reply && !good && !std::exchange(complained, true)) {
    log::warn("limits.not_shared",
              {{"reason", reply->is_error() ? reply->text : std::string("an unexpected answer")},
               {"meaning", "limits are each node's own for now"}});
  }
  if (good) complained = false;
  for (std::size_t i = 0; i < told.size(); ++i) {
    table.look(told[i].key, [&](LimiterTable::Entry& state) {
      if (good)
        ledger_heard(state, told[i].entry, Duration(reply->items[i].integer));
      else
        ledger_unheard(state);
      return true;
    });
  }
  open -= told.size();
}

RedisLimiter::RedisLimiter(RedisClient& client, const Clock& clock, prometheus::Registry& metrics,
                           RedisLimiterOptions options)
    : state_(std::make_shared<State>(client, clock, metrics, std::move(options))) {
  client.every(state_->options.tell_every, [weak = std::weak_ptr(state_)] {
    if (const auto self = weak.lock()) self->tell();
  });
}

RedisLimiter::~RedisLimiter() = default;

Gcra::Verdict RedisLimiter::take(std::string_view key, const RateLimit& limit, SteadyTime now) {
  if (limit.unlimited()) return {};
  const Pace pace = limit.pace();
  return state_->table.use(key, now, [&](LimiterTable::Entry& state) {
    state.adopt(pace, now);
    const auto verdict = state.gcra.take(pace, now);
    if (verdict.allowed) state_->note(key, state, 1, now);
    return verdict;
  });
}

void RedisLimiter::give_back(std::string_view key, const RateLimit& limit, SteadyTime now) {
  if (limit.unlimited()) return;
  state_->table.look(key, [&](LimiterTable::Entry& state) {
    state.gcra.give_back(limit.pace());
    state_->note(key, state, -1, now);
    return true;
  });
}

std::size_t RedisLimiter::unheard() const {
  return state_->open;
}

std::size_t RedisLimiter::keys() const {
  return state_->table.size();
}

}  // namespace postern::relay
