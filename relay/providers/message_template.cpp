#include "relay/providers/message_template.hpp"

namespace postern::relay {
namespace {

using Kind = MessagePart::Kind;

constexpr std::size_t kPartsMax = 16;

std::optional<Kind> placeholder(std::string_view name) {
  if (name == "timestamp") return Kind::timestamp;
  if (name == "id") return Kind::id;
  if (name == "body") return Kind::body;
  return std::nullopt;
}

}  // namespace

Result<std::vector<MessagePart>> parse_message_template(std::string_view text) {
  std::vector<MessagePart> parts;
  while (!text.empty()) {
    if (parts.size() == kPartsMax) return fail("malformed_template", "has more than 16 parts");
    if (text[0] == '}') return fail("malformed_template", "has a '}' without a '{'");
    if (text[0] != '{') {
      const std::string_view literal = text.substr(0, text.find_first_of("{}"));
      parts.push_back({Kind::literal, std::string(literal)});
      text.remove_prefix(literal.size());
      continue;
    }
    const auto end = text.find('}');
    const auto kind = end == std::string_view::npos ? std::nullopt : placeholder(text.substr(1, end - 1));
    if (!kind) return fail("malformed_template", "knows only {timestamp}, {id} and {body}");
    parts.push_back({*kind});
    text.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace postern::relay
