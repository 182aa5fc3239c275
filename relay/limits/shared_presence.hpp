#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/id.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

struct PresenceOptions {
  std::string prefix = "postern:";  ///< of every key
  std::string node;                 ///< this node's name, as the others know it
  Duration lifetime =
      std::chrono::seconds(30);  ///< of what a node that died had said; said again three times in it
};

/// Which node holds an agent's session: "presence:{agent}" → node, in Redis, for as long as it is said again.
/// Agents of this node are known in memory, with or without Redis. Only a hint where to wake somebody: what
/// it says may be old by the time it arrives, and after a wipe it is empty until everybody has spoken again
/// (10 s). Safe from any thread.
class SharedPresence {
 public:
  using Found = std::function<void(std::optional<std::string> node)>;

  /// Before client.start(). `client` outlives it.
  SharedPresence(RedisClient& client, PresenceOptions options);
  ~SharedPresence();

  void arrived(AgentId agent);
  /// Takes back only what this node has said itself: the agent may be elsewhere by now.
  void left(AgentId agent);
  /// This node, if the agent is here: called back at once, on this thread. Otherwise what Redis says, on the
  /// client's thread; nullopt when it says nothing, or nothing in time.
  void find(AgentId agent, Found found);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
