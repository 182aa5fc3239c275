#include "base/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/bytes.hpp"
#include "base/file.hpp"

namespace postern::config {
namespace {

constexpr std::string_view kPrefix = "POSTERN_";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    auto part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

Result<std::int64_t> parse_duration_setting(std::string_view text) {
  const auto duration = parse_duration(text);
  if (!duration)
    return fail("invalid", fmt::format("'{}' is not a duration, such as 250ms, 30s, 5m or 2h.", text));
  return duration->count();
}

Result<std::int64_t> parse_integer(std::string_view text) {
  const auto number = parse_u64(text);
  if (!number || *number > INT64_MAX)
    return fail("invalid", fmt::format("'{}' is not a whole number.", text));
  return static_cast<std::int64_t>(*number);
}

Result<std::int64_t> parse_bytes(std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return std::unexpected(size.error());
  if (*size > INT64_MAX) return fail("invalid", fmt::format("'{}' is too large.", text));
  return static_cast<std::int64_t>(*size);
}

std::string show(const Setting& setting, std::int64_t value) {
  if (setting.type == Type::duration) return format_duration(Duration(value));
  if (setting.type == Type::size) return format_size(static_cast<std::uint64_t>(value));
  return fmt::format("{}", value);
}

Result<void> check_range(const Setting& setting, Result<std::int64_t> value) {
  if (!value) return std::unexpected(value.error());
  if (*value >= setting.least && *value <= setting.most) return {};
  if (setting.most == INT64_MAX) {
    return fail("out_of_range", fmt::format("must be at least {}.", show(setting, setting.least)));
  }
  return fail("out_of_range",
              fmt::format("must be {} to {}.", show(setting, setting.least), show(setting, setting.most)));
}

Result<void> check_choice(const Setting& setting, std::string_view text) {
  const auto choices = split(setting.choices, '|');
  if (std::ranges::find(choices, text) != choices.end()) return {};
  return fail("invalid", fmt::format("'{}' is not one of {}.", text, fmt::join(choices, ", ")));
}

Result<void> check(const Setting& setting, const Value& value) {
  switch (setting.type) {
    case Type::text:
    case Type::list:
      return {};
    case Type::choice:
      return check_choice(setting, value.text);
    case Type::boolean:
      if (value.text == "true" || value.text == "false") return {};
      return fail("invalid", fmt::format("'{}' is neither true nor false.", value.text));
    case Type::integer:
      return check_range(setting, parse_integer(value.text));
    case Type::duration:
      return check_range(setting, parse_duration_setting(value.text));
    case Type::size:
      return check_range(setting, parse_bytes(value.text));
    case Type::address:
      if (const auto address = parse_address(value.text); !address) return std::unexpected(address.error());
      return {};
  }
  return {};
}

Value flat(const Setting& setting, std::string_view text, std::string origin) {
  Value value{.text = std::string(text), .items = {}, .origin = std::move(origin)};
  if (setting.type == Type::list) value.items = split(text, ',');
  return value;
}

/// Kubernetes injects these into every pod that runs beside a service called "postern".
bool is_service_link(std::string_view name) {
  return name.starts_with("POSTERN_SERVICE_") || name == "POSTERN_PORT" || name.starts_with("POSTERN_PORT_");
}

void read_environment(std::span<const Setting> table, const Inputs& inputs, Found& found) {
  std::vector<std::string> names;
  for (const Setting& setting : table) names.push_back(environment_name(setting.key));
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  for (const auto& [name, text] : inputs.environment) {
    if (!name.starts_with(kPrefix) || is_service_link(name)) continue;
    if (std::ranges::find(inputs.environment_ignored, name) != inputs.environment_ignored.end()) continue;
    const auto known = std::ranges::find(names, name);
    if (known != names.end()) {
      const Setting& setting = table[static_cast<std::size_t>(known - names.begin())];
      found.values[std::string(setting.key)] = flat(setting, text, name);
      continue;
    }
    const auto near = nearest(name, candidates);
    found.problems.push_back(near.empty() ? fmt::format("{}: no such setting.", name)
                                          : fmt::format("{}: no such setting; did you mean {}?", name, near));
  }
}

void read_flags(std::span<const Setting> table, const Inputs& inputs, Found& found) {
  for (const auto& [key, text] : inputs.flags) {
    const Setting* setting = find_setting(table, key);
    if (setting) {
      found.values[key] = flat(*setting, text, flag_name(key));
    } else {
      found.problems.push_back(fmt::format("{}: {}", flag_name(key), unknown_key(table, key)));
    }
  }
}

std::expected<Values, Problems> finish(std::span<const Setting> table, Found found) {
  for (const Setting& setting : table) {
    const auto [at, fresh] = found.values.try_emplace(std::string(setting.key));
    if (fresh) at->second = flat(setting, setting.default_text, "default");
    const auto fits = check(setting, at->second);
    if (!fits)
      found.problems.push_back(
          fmt::format("{}: {}: {}", at->second.origin, setting.key, fits.error().message));
  }
  if (!found.problems.empty()) return std::unexpected(std::move(found.problems));
  return Values(table, std::move(found.values));
}

}  // namespace

const Setting* find_setting(std::span<const Setting> table, std::string_view key) {
  const auto at = std::ranges::find(table, key, &Setting::key);
  return at == table.end() ? nullptr : &*at;
}

std::string unknown_key(std::span<const Setting> table, std::string_view key) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : table) keys.push_back(setting.key);
  const auto near = nearest(key, keys);
  if (near.empty()) return fmt::format("unknown setting {}.", key);
  return fmt::format("unknown setting {}; did you mean {}?", key, near);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string environment_name(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key)
    name += c == '.' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string flag_name(std::string_view key) {
  std::string name = "--";
  for (const char c : key) name += c == '.' || c == '_' ? '-' : c;
  return name;
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != text.npos) pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

std::expected<Values, Problems> resolve_text(std::span<const Setting> table, const Inputs& inputs,
                                             std::string_view toml) {
  Found found;
  if (!inputs.file.empty()) read_toml(table, toml, inputs.file, found);
  read_environment(table, inputs, found);
  read_flags(table, inputs, found);
  return finish(table, std::move(found));
}

std::expected<Values, Problems> resolve(std::span<const Setting> table, const Inputs& inputs) {
  std::string content;
  if (!inputs.file.empty()) {
    auto read = read_file(inputs.file);
    if (!read)
      return std::unexpected(
          Problems{fmt::format("{}: cannot be read: {}.", inputs.file, read.error().message)});
    content = std::move(*read);
  }
  return resolve_text(table, inputs, content);
}

}  // namespace postern::config
