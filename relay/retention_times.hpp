#pragma once
#include "relay/model.hpp"

namespace postern::relay {

/// How long things are kept. Zero: for ever. What is shorter than kRetentionLeast is refused where it is set.
struct Retention {
  Duration bodies = std::chrono::days(30);
  Duration events = std::chrono::days(90);  ///< with their deliveries
  Duration attempts = std::chrono::days(90);
  bool operator==(const Retention&) const = default;
};
inline constexpr Duration kRetentionLeast = std::chrono::hours(1);

inline Retention with(const Retention& setting, const RetentionOverrides& own) {
  return {own.bodies.value_or(setting.bodies), own.events.value_or(setting.events),
          own.attempts.value_or(setting.attempts)};
}

}  // namespace postern::relay
