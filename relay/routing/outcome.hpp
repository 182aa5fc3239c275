#pragma once
#include <string>

#include "relay/routing/ruling.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

inline constexpr std::size_t kReasonBytesMax = 200;

/// Why the delivery is where it is: "filtered"; "filter_failed: …" or "transform_failed: …" with the message
/// on one line, at most 200 bytes; empty for one that goes out. Pure.
std::string reason_of(const Ruling& ruling, const RoutePrograms& programs);

/// What the ruling makes of a delivery: with a payload, cancelled, dead, or as it was.
void apply(const Ruling& ruling, const RoutePrograms& programs, NewDelivery& delivery);

}  // namespace postern::relay
