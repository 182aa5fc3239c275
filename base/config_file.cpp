#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/config.hpp"

namespace postern::config {
namespace {

struct Reader {
  std::span<const Setting> table;
  std::string_view file;
  Found& found;

  std::string place(const toml::node& node) const {
    return fmt::format("{}:{}", file, static_cast<unsigned>(node.source().begin.line));
  }
  void problem(const toml::node& node, std::string_view text) {
    found.problems.push_back(fmt::format("{}: {}", place(node), text));
  }

  void read_list(const Setting& setting, const toml::array& array) {
    Value value{.text = {}, .items = {}, .origin = place(array)};
    for (const toml::node& item : array) {
      const auto* text = item.as_string();
      if (!text) return problem(item, fmt::format("{} is an array of strings.", setting.key));
      value.items.push_back(text->get());
    }
    found.values[std::string(setting.key)] = std::move(value);
  }

  static std::optional<std::string> scalar(const Setting& setting, const toml::node& node) {
    const bool number = setting.type == Type::integer || setting.type == Type::size;
    if (const auto* text = node.as_string();
        text && setting.type != Type::integer && setting.type != Type::boolean) {
      return text->get();
    }
    if (const auto* integer = node.as_integer(); integer && number) return fmt::format("{}", integer->get());
    if (const auto* flag = node.as_boolean(); flag && setting.type == Type::boolean) {
      return flag->get() ? "true" : "false";
    }
    return std::nullopt;
  }

  static std::string_view wanted(Type type) {
    switch (type) {
      case Type::boolean:
        return "true or false, without quotes";
      case Type::integer:
        return "a whole number, without quotes";
      case Type::duration:
        return "a duration in quotes, such as \"30s\"";
      case Type::size:
        return "a size, such as \"10MiB\"";
      case Type::address:
        return "an address in quotes, such as \"127.0.0.1:8080\"";
      case Type::list:
        return "an array of strings, such as [\"a\", \"b\"]";
      case Type::text:
      case Type::choice:
        break;
    }
    return "a string in quotes";
  }

  void read_value(const Setting& setting, const toml::node& node) {
    if (setting.type == Type::list && node.is_array()) return read_list(setting, *node.as_array());
    auto text = setting.type == Type::list ? std::nullopt : scalar(setting, node);
    if (!text) return problem(node, fmt::format("{} takes {}.", setting.key, wanted(setting.type)));
    found.values[std::string(setting.key)] =
        Value{.text = std::move(*text), .items = {}, .origin = place(node)};
  }

  void read_table(const toml::table& from, const std::string& prefix) {
    for (const auto& [name, node] : from) {
      const std::string key = prefix + std::string(name.str());
      if (const Setting* setting = find_setting(table, key)) {
        read_value(*setting, node);
      } else if (node.is_table() && is_section(key)) {
        read_table(*node.as_table(), key + ".");
      } else {
        problem(node, unknown_key(table, key));
      }
    }
  }

  bool is_section(const std::string& key) const {
    return std::ranges::any_of(table, [&](const Setting& s) { return s.key.starts_with(key + "."); });
  }
};

}  // namespace

void read_toml(std::span<const Setting> table, std::string_view toml, std::string_view file_name,
               Found& found) {
  const toml::parse_result parsed = toml::parse(toml, file_name);
  if (!parsed) {
    const auto& error = parsed.error();
    found.problems.push_back(fmt::format("{}:{}: not valid TOML: {}", file_name,
                                         static_cast<unsigned>(error.source().begin.line),
                                         error.description()));
    return;
  }
  Reader{table, file_name, found}.read_table(parsed.table(), "");
}

}  // namespace postern::config
