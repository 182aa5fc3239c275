#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "relay/delivery/breaker.hpp"

namespace postern::relay {

/// A BreakerSnapshot as nodes tell it to each other: "1 open 1764000000000000 1764000030000000 2": the
/// form's number, state, since and probe_at in microseconds of the Unix epoch, openings. One space between,
/// nothing around, numbers without leading zeros. Another form's number is another program version's. A
/// closed one that was reset says "reset" for its state.
std::string to_blob(const BreakerSnapshot& snapshot);
/// nullopt for everything else than what to_blob() makes.
std::optional<BreakerSnapshot> breaker_from_blob(std::string_view blob);

/// When a node that heard of an opening probes: a little before the one that opened does, by up to a quarter
/// of the time it is open for and five seconds, `share` (0 to 1) of it, so that not all do at once. Whoever's
/// probe failed last goes last: a node that cannot reach anything itself would else keep it closed off for
/// all the others.
Time probe_turn(const BreakerSnapshot& heard, double share);

}  // namespace postern::relay
