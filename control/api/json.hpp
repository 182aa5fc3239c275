#pragma once
#include <boost/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/http/message.hpp"
#include "control/api/problem.hpp"

namespace postern::control {

inline constexpr std::size_t kBodyLimit = 1024 * 1024;
inline constexpr std::size_t kJsonDepth = 32;

/// The object in a request's body: UTF-8, at most 32 levels deep, no key twice in one object (parsers
/// disagree on which of the two counts). An empty body is the empty object.
std::expected<boost::json::object, Problem> parse_body(std::string_view body);

/// Text for a JSON string out of bytes that need not be UTF-8 (header values, paths): each byte that would
/// make it invalid is read as ISO 8859-1.
std::string json_text(std::string_view bytes);

http::Response json_response(int status, const boost::json::value& body);

}  // namespace postern::control
