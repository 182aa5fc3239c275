#include "control/api/json.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <set>

#include "base/bytes.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

enum class Finding { duplicate_key = 1 };

class FindingCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "postern.json"; }
  std::string message(int) const override { return "the same key twice in one object"; }
};
const FindingCategory kFindings;

/// Walks the document without building it and stops at a key that an object already has.
struct DuplicateFinder {
  static constexpr std::size_t max_object_size = kBodyLimit;
  static constexpr std::size_t max_array_size = kBodyLimit;
  static constexpr std::size_t max_key_size = kBodyLimit;
  static constexpr std::size_t max_string_size = kBodyLimit;
  using Code = json::error_code;
  using Text = json::string_view;

  std::vector<std::set<std::string, std::less<>>> open;
  std::string key;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return open.emplace_back(), true; }
  bool on_object_end(std::size_t, Code&) { return open.pop_back(), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(Text part, std::size_t, Code&) { return key.append(part.data(), part.size()), true; }
  bool on_key(Text part, std::size_t, Code& ec) {
    key.append(part.data(), part.size());
    if (!open.back().insert(key).second) {
      ec = Code(static_cast<int>(Finding::duplicate_key), kFindings);
      return false;
    }
    key.clear();
    return true;
  }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

json::parse_options options() {
  json::parse_options options;
  options.max_depth = kJsonDepth;
  return options;
}

std::size_t utf8_length(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes.front());
  const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return bytes.size() >= length && is_utf8(bytes.substr(0, length)) ? length : 0;
}

}  // namespace

std::expected<json::object, Problem> parse_body(std::string_view body) {
  if (body.empty()) return json::object();
  json::basic_parser<DuplicateFinder> finder(options());
  json::error_code ec;
  const std::size_t used = finder.write_some(false, body.data(), body.size(), ec);
  if (ec.category() == kFindings) {
    return std::unexpected(invalid_request(
        fmt::format("The JSON has the key \"{}\" twice in one object.", json_text(finder.handler().key))));
  }
  if (ec) {
    return std::unexpected(
        invalid_request(fmt::format("The body is not valid JSON at byte {}: {}.", used, ec.message())));
  }
  json::value parsed = json::parse(body, ec, {}, options());
  if (ec)
    return std::unexpected(invalid_request(fmt::format("The body is not valid JSON: {}.", ec.message())));
  if (!parsed.is_object()) return std::unexpected(invalid_request("The body must be a JSON object."));
  return std::move(parsed.as_object());
}

std::string json_text(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length > 0) {
      text.append(bytes.substr(0, length));
    } else {
      const auto byte = static_cast<unsigned char>(bytes.front());
      text += static_cast<char>(0xc0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

http::Response json_response(int status, const json::value& body) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = json::serialize(body)};
}

}  // namespace postern::control
