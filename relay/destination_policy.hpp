#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.hpp"

/// What a destination asks of the way it is delivered to.
namespace postern::relay {

/// When a destination counts as down, and how it is tried again. The numbers are its owner's to change.
struct BreakerPolicy {
  bool enabled = true;
  unsigned failure_percent = 50;  ///< of the attempts in the window; opens only with `least_attempts` of them
  unsigned least_attempts = 10;
  unsigned failures_in_a_row = 10;  ///< opens whatever the window says
  Duration window = std::chrono::minutes(5);
  Duration open_first = std::chrono::seconds(30);  ///< doubles at each opening that follows without a closing
  Duration open_most = std::chrono::minutes(10);
  unsigned probes = 3;  ///< at once when it is half-open; as many must be good
  bool operator==(const BreakerPolicy&) const = default;
};

enum class Ordering {
  none,         ///< oldest first, several at once; a failed one is overtaken
  destination,  ///< one at a time: nothing starts before the one in front of it has been delivered or is dead
  key,          ///< the same among those of one key only; different keys go at once
};

std::string_view to_text(Ordering ordering);
std::optional<Ordering> ordering_from(std::string_view text);

}  // namespace postern::relay
