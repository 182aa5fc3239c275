#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "relay/providers/scheme.hpp"

namespace postern::relay {

/// nullopt when the text is not exactly of the format: a timestamp that cannot be read never skips the check.
std::optional<Time> parse_timestamp(TimestampFormat format, std::string_view text);

/// Receive time minus `signed_at`, in seconds, away from zero; positive: the signature is old.
/// nullopt when it is within the tolerance, which includes its very edge. A format in whole seconds is
/// compared in whole seconds.
std::optional<std::int64_t> excess_skew(const Scheme& scheme, Time signed_at, Time received_at);

}  // namespace postern::relay
