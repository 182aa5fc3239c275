#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

/// What a source did in one minute.
struct ActivityMinute {
  std::int64_t minute = 0;  ///< of the Unix epoch
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  bool operator==(const ActivityMinute&) const = default;
};

struct RecentActivity {
  std::vector<ActivityMinute> minutes;  ///< oldest first, every one of those asked for
  bool of_all_nodes = false;            ///< false: Redis is away, and this is what this node knows itself
};

/// Counts of the last hour, for people to look at, never to decide by: "activity:{source}:{minute}" in Redis
/// is the sum of all nodes; this node's own are in memory too. Counting costs a short lock; Redis hears of it
/// once a second, in batches. What is counted while Redis is away is missing from the sum. Safe from any
/// thread.
class SharedActivity {
 public:
  using Found = std::function<void(RecentActivity)>;
  static constexpr std::int64_t kMinutes = 60;
  static constexpr std::size_t kSourcesMost = 4096;  ///< in memory; more are not counted until others rest

  /// Before client->start(). `client` may be null: one node. References outlive it.
  SharedActivity(RedisClient* client, const Clock& clock, std::string prefix = "postern:");
  ~SharedActivity();

  void accepted(SourceId source) { count(source, 1, 0); }
  void refused(SourceId source) { count(source, 0, 1); }
  /// The last `minutes` (at most kMinutes), this one included. Called exactly once, on the client's thread,
  /// or on this one when nothing could be asked.
  void recent(SourceId source, std::int64_t minutes, Found found);

 private:
  struct State;
  void count(SourceId source, std::uint32_t accepted, std::uint32_t refused);
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
