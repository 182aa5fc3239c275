#pragma once
#include <memory>
#include <string>

#include "relay/limits/breaker_board.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

/// BreakerBoard through Redis. "breaker:{destination}" is a hash of version and blob: the newest version wins
/// and goes after its lifetime. "breakers" lists the destinations by when they were last told, in
/// microseconds of Redis' clock, and a node asks four times a second what is there beyond what it has seen:
/// one command, and next to nothing to read while no breaker moves. What was told while nobody listened is
/// found by the next question, also by a node that has just started.
///
/// Everything said or heard is kept in memory for its lifetime as well. "breakers:since" is a number that is
/// made anew when the list is: when it has changed, Redis was wiped, and each node tells again what it knows.
/// What could not be told is told when Redis is back. Error replies and what is not ours are logged once and
/// ignored.
class SharedBreakers final : public BreakerBoard {
 public:
  static constexpr std::size_t kKeptMost = 10'000;  ///< destinations in memory; then whichever come first go
  static constexpr Duration kLookEvery = std::chrono::milliseconds(250);
  /// A version further ahead of the clock than this is nobody's, and anyone's overwrites it.
  static constexpr Duration kAheadMost = std::chrono::hours(24);

  /// Before client.start(). References outlive it; the client may still run when this is destroyed.
  SharedBreakers(RedisClient& client, const Clock& clock, std::string prefix = "postern:");
  ~SharedBreakers() override;

  void publish(DestinationId destination, SharedBreakerState state, Duration lifetime) override;
  std::optional<SharedBreakerState> known(DestinationId destination) const override;
  void on_heard(Heard listener) override;

  /// Asks now. For the client's on_change.
  void look();
  /// Waits until all that was in Redis at the beginning has been heard, at most that long: whoever starts to
  /// send before that may send to what is known to be down. False: Redis is away, or slow.
  bool wait_caught_up(Duration most) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
