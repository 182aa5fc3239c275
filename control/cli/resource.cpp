#include "control/cli/resource.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "control/cli/exit_codes.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

std::unexpected<CommandError> wrong(std::string_view flag, std::string_view message) {
  return std::unexpected(CommandError{kExitUsage, fmt::format("{}: {}", flag, message)});
}

Outcome<std::string> file_content(std::string_view flag, const std::string& name) {
  auto read = read_file(name == "-" ? "/dev/stdin" : name);
  if (!read) return wrong(flag, fmt::format("{} cannot be read: {}.", name, read.error().message));
  std::string content = std::move(*read);
  while (content.ends_with('\n') || content.ends_with('\r')) content.pop_back();
  return content;
}

Outcome<json::value> integer_from(std::string_view flag, const std::string& text) {
  const auto number = parse_u64(text);
  if (!number || *number > INT64_MAX) return wrong(flag, fmt::format("'{}' is not a whole number.", text));
  return json::value(static_cast<std::int64_t>(*number));
}

Outcome<json::value> json_from(std::string_view flag, std::string text) {
  if (text.starts_with('@')) {
    auto content = file_content(flag, text.substr(1));
    if (!content) return std::unexpected(content.error());
    text = std::move(*content);
  }
  json::error_code ec;
  json::value parsed = json::parse(text, ec);
  if (ec || !parsed.is_object()) return wrong(flag, "is not a JSON object.");
  return parsed;
}

Outcome<json::value> rate_from(std::string_view flag, std::string_view text) {
  if (text == "default") return json::value(nullptr);
  if (text.starts_with('{') || text.starts_with('@')) return json_from(flag, std::string(text));
  const auto colon = text.find(':');
  const auto per_second = parse_u64(text.substr(0, colon));
  const auto burst = colon == text.npos ? std::optional<std::uint64_t>(0) : parse_u64(text.substr(colon + 1));
  if (!per_second || !burst || *per_second > INT64_MAX || *burst > INT64_MAX) {
    return wrong(flag, fmt::format("'{}' is none of 100, 100:200 (a second, at once) and default.", text));
  }
  return json::value({{"per_second", *per_second}, {"burst", *burst}});
}

/// One text of a flag as the JSON it stands for.
Outcome<json::value> value_from(const FieldFlag& field, const std::string& text, ApiClient& api) {
  switch (field.kind) {
    case FieldKind::text:
    case FieldKind::texts:
      return json::value(text);
    case FieldKind::boolean:
      if (text == "true" || text == "false") return json::value(text == "true");
      return wrong(field.flag, fmt::format("'{}' is neither true nor false.", text));
    case FieldKind::integer:
    case FieldKind::integers:
      return integer_from(field.flag, text);
    case FieldKind::text_file:
    case FieldKind::secret_file: {
      auto content = file_content(field.flag, text);
      if (!content) return std::unexpected(content.error());
      return json::value(*content);
    }
    case FieldKind::json:
      return json_from(field.flag, text);
    case FieldKind::rate:
      return rate_from(field.flag, text);
    case FieldKind::reference: {
      auto id = find_id(api, field.refers_to, text);
      if (!id) return std::unexpected(id.error());
      return json::value(*id);
    }
  }
  return json::value(nullptr);
}

bool is_list(FieldKind kind) {
  return kind == FieldKind::texts || kind == FieldKind::integers || kind == FieldKind::secret_file;
}

}  // namespace

Outcome<json::object> body_from(const Resource& resource, const GivenFlags& given, ApiClient& api) {
  json::object body;
  for (const FieldFlag& field : resource.fields) {
    const auto texts = given.find(std::string(field.flag));
    if (texts == given.end()) continue;
    for (const std::string& text : texts->second) {
      auto value = value_from(field, text, api);
      if (!value) return std::unexpected(value.error());
      if (!is_list(field.kind)) {
        body[field.field] = std::move(*value);
        continue;
      }
      json::value& list = body[field.field];
      if (!list.is_array()) list.emplace_array();
      list.get_array().push_back(std::move(*value));
    }
  }
  return body;
}

}  // namespace postern::control
