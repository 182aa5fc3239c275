#pragma once
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "base/http/message.hpp"

namespace postern::relay {

inline constexpr Duration kMostRetryAfter = std::chrono::hours(24);

/// RFC 9110 section 10.2.3: seconds, or an HTTP date against `now`. Never negative, at most kMostRetryAfter
/// (a longer wish is cut, not ignored). nullopt when malformed.
std::optional<Duration> parse_retry_after(std::string_view value, Time now);
/// Of the first Retry-After header; nullopt without one.
std::optional<Duration> retry_after_of(const http::Headers& headers, Time now);

/// An HTTP date in any of the three forms a recipient must read (RFC 9110 section 5.6.7). `now` decides the
/// century of the obsolete two-digit form. nullopt when malformed.
std::optional<Time> parse_http_date(std::string_view text, Time now);

}  // namespace postern::relay
