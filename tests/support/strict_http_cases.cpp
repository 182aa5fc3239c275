#include "tests/support/strict_http_cases.hpp"

#include <boost/json.hpp>

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace postern::test {

namespace json = boost::json;

namespace {

/// UTF-8 whose characters are all below 256, back to one byte each.
std::string to_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80)
      bytes += text[i];
    else
      bytes += static_cast<char>((c & 0x03) << 6 | (text[++i] & 0x3f));
  }
  return bytes;
}

std::string expand(const json::value& value) {
  if (value.is_string()) return to_bytes(value.as_string());
  std::string bytes;
  if (value.is_object()) {
    const std::string part = to_bytes(value.at("repeat").as_string());
    for (auto n = value.at("times").to_number<int>(); n > 0; --n) bytes += part;
    return bytes;
  }
  for (const json::value& part : value.as_array()) bytes += expand(part);
  return bytes;
}

std::string optional_text(const json::object& row, std::string_view key) {
  const json::value* value = row.if_contains(key);
  return value ? expand(*value) : std::string();
}

StrictHttpCase parse_row(const json::object& row) {
  StrictHttpCase result;
  result.name = optional_text(row, "name");
  result.request = optional_text(row, "request");
  result.status = row.at("status").to_number<int>();
  result.reason = optional_text(row, "reason");
  result.method = optional_text(row, "method");
  result.target = optional_text(row, "target");
  result.body = optional_text(row, "body");
  result.keep_alive = row.contains("keep_alive") && row.at("keep_alive").as_bool();
  return result;
}

}  // namespace

std::vector<StrictHttpCase> strict_http_cases() {
  std::ifstream file(POSTERN_SOURCE_DIR "/tests/support/strict_http_cases.json");
  if (!file) throw std::runtime_error("cannot open strict_http_cases.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<StrictHttpCase> cases;
  for (const json::value& row : json::parse(text).as_array()) cases.push_back(parse_row(row.as_object()));
  return cases;
}

}  // namespace postern::test
