#pragma once
#include <cstdint>

namespace postern::relay {

/// Deliveries of one destination with one key, other than kNoOrder, are made one after the other in the order
/// of their ids: at most one is under way, and none starts while an older one of the key is open (pending,
/// leased or parked). Decided when a delivery is made, and stored with it.
using OrderKey = std::int64_t;

inline constexpr OrderKey kNoOrder = 0;
inline constexpr OrderKey kWholeDestination = 1;  ///< Ordering::destination: one key for all
inline constexpr OrderKey kLeastValueKey = 2;     ///< Ordering::key: digests of values begin here

}  // namespace postern::relay
