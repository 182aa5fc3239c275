#pragma once
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/clock.hpp"

namespace postern::relay {

/// Keeps every incoming-webhook URL to one message a second (Slack's limit), over all loops: share one
/// between all SlackDestinations of a process. Safe from any thread; time is passed in.
///
/// A caller gets a slot of its own when one is free within `patience`, and waits for it. Otherwise it is told
/// when to come back; those told so get times one second apart, so that a backlog of n costs n refusals, not
/// n².
class SlackPacer {
 public:
  struct Slot {
    Duration wait;  ///< send after this long, not before
  };
  struct ComeBack {
    Duration after;
  };

  explicit SlackPacer(Duration spacing = std::chrono::seconds(1)) : spacing_(spacing) {}

  std::variant<Slot, ComeBack> reserve(std::string_view url, SteadyTime now, Duration patience);
  /// Slack said 429: no slot before `now + pause`. Who holds a slot already asks held() when its time has
  /// come.
  void hold(std::string_view url, SteadyTime now, Duration pause);
  /// What is left of the pause; zero when there is none.
  Duration held(std::string_view url, SteadyTime now);
  /// How many URLs it remembers; those at rest are forgotten in time.
  std::size_t urls();

 private:
  struct Lane {
    SteadyTime next_slot;       ///< the first one not given out
    SteadyTime next_come_back;  ///< the last one told
    SteadyTime held_until;
  };
  Lane& lane(std::string_view url, SteadyTime now);

  const Duration spacing_;
  std::mutex mutex_;
  std::unordered_map<std::string, Lane> lanes_;
  std::size_t sweep_at_ = 1024;
};

}  // namespace postern::relay
