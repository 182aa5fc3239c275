#pragma once
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "relay/providers/scheme.hpp"

namespace postern::relay {

/// "{timestamp}.{body}" into its parts: {timestamp}, {id}, {body}, and literals in between. At most 16 parts.
/// There is no escape: a literal brace cannot be written. Error `malformed_template`.
Result<std::vector<MessagePart>> parse_message_template(std::string_view text);

}  // namespace postern::relay
