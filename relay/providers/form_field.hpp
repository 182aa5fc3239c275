#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace postern::relay {

/// The decoded value of the first `name` in an application/x-www-form-urlencoded body; nullopt when it is
/// absent or badly escaped. Names are compared as they are written: the fields asked for need no escapes.
std::optional<std::string> form_field(std::string_view body, std::string_view name);

}  // namespace postern::relay
