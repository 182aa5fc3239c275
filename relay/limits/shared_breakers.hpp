#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/id.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

/// A breaker's state as its owner wrote it; only the version is looked at here. A higher one is newer.
struct SharedBreakerState {
  std::uint64_t version = 0;  ///< at most 2⁵³: Redis' Lua compares doubles
  std::string blob;           ///< at most kBreakerBlobMost
  bool operator==(const SharedBreakerState&) const = default;
};
inline constexpr std::size_t kBreakerBlobMost = 1024;

/// What nodes know of each other's breakers: "breaker:{destination}" in Redis, the newest version wins and
/// goes after its lifetime. What this node said or heard last is kept in memory as well, for the same time,
/// and stands in when Redis is away. After a wipe each node still has its own. Safe from any thread.
class SharedBreakers {
 public:
  using Found = std::function<void(std::optional<SharedBreakerState>)>;
  static constexpr std::size_t kKeptMost = 10'000;  ///< destinations in memory; then whichever come first go

  /// References outlive it.
  SharedBreakers(RedisClient& client, const Clock& clock, std::string prefix = "postern:");
  ~SharedBreakers();

  /// `found`, if given, hears the newest there is afterwards: this one, or a newer one of another node.
  /// It is called exactly once, on the client's thread, or on this one when nothing could be sent.
  void publish(DestinationId destination, SharedBreakerState state, Duration lifetime, Found found = {});
  /// The newest of what Redis and memory have; called like publish()'s.
  void fetch(DestinationId destination, Found found);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
