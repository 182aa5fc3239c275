#include "relay/limits/shared_presence.hpp"

#include <mutex>
#include <unordered_set>

namespace postern::relay {
namespace {

const RedisScript& take_back_script() {
  static const RedisScript script(R"lua(
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
)lua");
  return script;
}

void nobody_waits(const Result<RedisReply>&) {}

}  // namespace

struct SharedPresence::State {
  State(RedisClient& redis, PresenceOptions given) : client(redis), options(std::move(given)) {}

  std::string key(AgentId agent) const {
    return fmt::format("{}presence:{}", options.prefix, agent.to_string());
  }
  void say(AgentId agent) {
    client.run(
        {"SET", key(agent), options.node, "PX",
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options.lifetime).count())},
        nobody_waits);
  }
  void say_all();
  bool is_here(AgentId agent) {
    const std::lock_guard lock(mutex);
    return here.contains(agent);
  }

  RedisClient& client;
  const PresenceOptions options;
  std::mutex mutex;  ///< held while a command is given, so that Redis hears things in the order they were
  std::unordered_set<AgentId> here;
};

/// What the client has no room for waits for the next turn: a lifetime has three.
void SharedPresence::State::say_all() {
  if (!client.up()) return;
  const std::lock_guard lock(mutex);
  for (const AgentId agent : here) say(agent);
}

SharedPresence::SharedPresence(RedisClient& client, PresenceOptions options)
    : state_(std::make_shared<State>(client, std::move(options))) {
  client.every(state_->options.lifetime / 3, [weak = std::weak_ptr(state_)] {
    if (const auto self = weak.lock()) self->say_all();
  });
}

SharedPresence::~SharedPresence() = default;

void SharedPresence::arrived(AgentId agent) {
  const std::lock_guard lock(state_->mutex);
  state_->here.insert(agent);
  state_->say(agent);
}

void SharedPresence::left(AgentId agent) {
  const std::lock_guard lock(state_->mutex);
  state_->here.erase(agent);
  state_->client.run(take_back_script(), {state_->key(agent)}, {state_->options.node}, nobody_waits);
}

void SharedPresence::find(AgentId agent, Found found) {
  if (state_->is_here(agent)) return found(state_->options.node);
  const bool taken = state_->client.run({"GET", state_->key(agent)}, [found](Result<RedisReply> reply) {
    const bool known = reply && reply->kind == RedisReply::Kind::text;
    found(known ? std::optional(reply->text) : std::nullopt);
  });
  if (!taken) found(std::nullopt);
}

}  // namespace postern::relay
