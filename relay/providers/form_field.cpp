#include "relay/providers/form_field.hpp"

#include <algorithm>

#include "base/http/message.hpp"

namespace postern::relay {

std::optional<std::string> form_field(std::string_view body, std::string_view name) {
  while (!body.empty()) {
    const std::string_view pair = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    std::string value(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    std::ranges::replace(value, '+', ' ');
    return http::percent_decode(value);
  }
  return std::nullopt;
}

}  // namespace postern::relay
