#include "relay/providers/json_scan.hpp"

namespace postern::relay {
namespace {

/// "~1" is '/', "~0" is '~' (RFC 6901, section 4); nullopt on any other escape.
std::optional<std::string> unescape(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out += token[i];
      continue;
    }
    ++i;
    if (i == token.size() || (token[i] != '0' && token[i] != '1')) return std::nullopt;
    out += token[i] == '0' ? '~' : '/';
  }
  return out;
}

}  // namespace

Result<JsonPointer> JsonPointer::parse(std::string_view text) {
  if (!text.starts_with('/')) return fail("malformed_pointer", "a JSON pointer starts with '/', such as /id");
  JsonPointer pointer;
  while (!text.empty()) {
    text.remove_prefix(1);
    auto token = unescape(text.substr(0, text.find('/')));
    if (!token) return fail("malformed_pointer", "in a JSON pointer '~' is followed by 0 or 1");
    text.remove_prefix(std::min(text.size(), text.find('/')));
    pointer.tokens.push_back(std::move(*token));
    if (pointer.tokens.size() > kTokensMax) return fail("malformed_pointer", "the JSON pointer is too deep");
  }
  return pointer;
}

}  // namespace postern::relay
