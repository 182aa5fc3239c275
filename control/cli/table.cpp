#include "control/cli/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postern::control {
namespace {

namespace json = boost::json;

constexpr std::size_t kCellMost = 60;

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// Characters, not bytes: wide ones of some scripts still count as one.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::string cut(std::string text) {
  if (width(text) <= kCellMost) return text;
  std::size_t kept = 0, at = 0;
  while (at < text.size() && (kept < kCellMost - 1 || is_continuation(text[at]))) {
    if (!is_continuation(text[at])) ++kept;
    ++at;
  }
  return text.substr(0, at) + "…";
}

const json::value* field_of(const json::object& object, std::string_view path) {
  const auto dot = path.find('.');
  const json::value* value = object.if_contains(path.substr(0, dot));
  if (!value || dot == path.npos) return value;
  return value->is_object() ? field_of(value->get_object(), path.substr(dot + 1)) : nullptr;
}

std::string line_of(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line.append(widths[i] - width(cells[i]) + 2, ' ');
  }
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

void write_object(const json::object& object, std::size_t indent, std::string& out);

void write_value(std::string_view name, const json::value& value, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (value.is_object()) {
    out += fmt::format("{}{}:\n", margin, name);
    return write_object(value.get_object(), indent + 2, out);
  }
  const bool nested = value.is_array() && std::ranges::any_of(value.get_array(), &json::value::is_object);
  if (!nested) {
    out += fmt::format("{}{}: {}\n", margin, name, format_cell(value));
    return;
  }
  out += fmt::format("{}{}:\n", margin, name);
  for (const json::value& item : value.get_array()) {
    std::string inner;
    if (item.is_object()) write_object(item.get_object(), indent + 4, inner);
    if (inner.size() > indent + 2) inner[indent + 2] = '-';
    out += inner;
  }
}

void write_object(const json::object& object, std::size_t indent, std::string& out) {
  for (const auto& [name, value] : object) write_value(name, value, indent, out);
}

}  // namespace

namespace {

/// The bytes of a character that turns the direction of a line or marks it, at the start of `text`; 0: none.
/// U+200E/F, U+202A to U+202E, U+2066 to U+2069: with them a stranger's text rewrites what stands around it.
std::size_t unseen(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[1]), third = static_cast<unsigned char>(text[2]);
  const bool turns =
      (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae))) ||
      (second == 0x81 && third >= 0xa6 && third <= 0xa9);
  return turns ? 3 : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (const std::size_t length = unseen(text.substr(i)); length > 0) {
      for (const char c : text.substr(i, length))
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      i += length - 1;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (c1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string format_cell(const json::value& value) {
  if (value.is_null()) return "-";
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_string()) return value.get_string().empty() ? "-" : printable(value.get_string());
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const json::value& item : value.get_array()) items.push_back(format_cell(item));
    return items.empty() ? "-" : fmt::format("{}", fmt::join(items, ", "));
  }
  return printable(json::serialize(value));
}

std::string format_table(std::span<const Column> columns, const json::array& rows) {
  if (rows.empty()) return "";
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns) lines[0].emplace_back(column.title);
  for (const json::value& row : rows) {
    auto& cells = lines.emplace_back();
    for (const Column& column : columns) {
      const json::value* value = field_of(row.as_object(), column.field);
      cells.push_back(value ? cut(format_cell(*value)) : "-");
    }
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& cells : lines) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width(cells[i]));
  }
  std::string out;
  for (const auto& cells : lines) out += line_of(cells, widths);
  return out;
}

std::string format_object(const json::object& object) {
  std::string out;
  write_object(object, 0, out);
  return out;
}

}  // namespace postern::control
