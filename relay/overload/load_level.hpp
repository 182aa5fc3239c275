#pragma once
#include <string_view>

namespace postern::relay {

/// How loaded this node is, said by what it gives up. Each level gives up all that those before it do: what
/// somebody looks at first, then what can be made later as well, and last what is coming in.
enum class LoadLevel : int {
  calm,
  no_reads,    ///< lists that grow with the traffic are not read
  no_replays,  ///< replays in bulk make no step
  no_retries,  ///< retries stay in the store, but for a trickle
  few_events,  ///< events are refused of a workspace that sends more than a floor
  no_events,   ///< all events are refused
};
inline constexpr int kLoadLevels = 6;
std::string_view to_text(LoadLevel level);

/// What can be given up.
enum class Work : int { reads, replays, retries, events };
inline constexpr int kWorks = 4;
std::string_view to_text(Work work);
/// From which level on some of it is.
LoadLevel gives_up(Work work);

}  // namespace postern::relay
