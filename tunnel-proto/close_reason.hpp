#pragma once
#include <optional>

#include "tunnel-proto/connection.hpp"

namespace postern::tunnel {

/// What the user is told of an end. `goaway` is the peer's, and knows better than a lost connection why.
CloseReason make_close_reason(const Error& error, bool authenticated, const std::optional<GoAway>& goaway,
                              const std::optional<Refusal>& refusal, Random& random);

}  // namespace postern::tunnel
