#include "control/api/fields.hpp"

#include "base/config.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

std::optional<Duration> as_duration(const json::value& value) {
  return value.is_string() ? parse_duration(value.get_string()) : std::nullopt;
}

}  // namespace

const json::value* Fields::find(std::string_view name) {
  asked_.emplace(name);
  return object_.if_contains(name);
}

void Fields::wrong(std::string_view name, std::string message) {
  asked_.emplace(name);
  errors_.push_back({std::string(name), std::move(message)});
}

void Fields::wrong_id(std::string_view name, std::string_view written, std::string_view prefix) {
  wrong(name, fmt::format("'{}' is not an id of the form {}_….", written, prefix));
}

void Fields::require(std::string_view name) {
  if (!find(name)) wrong(name, "is required.");
}

std::optional<std::string> Fields::text(std::string_view name, std::size_t most_bytes,
                                        std::size_t least_bytes) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) return wrong(name, "must be a string."), std::nullopt;
  const std::string_view text = value->get_string();
  if (text.size() < least_bytes) return wrong(name, "must not be empty."), std::nullopt;
  if (text.size() > most_bytes)
    return wrong(name, fmt::format("must be at most {} bytes.", most_bytes)), std::nullopt;
  return std::string(text);
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_bool()) return wrong(name, "must be true or false."), std::nullopt;
  return value->get_bool();
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  json::error_code ec;
  const bool whole = value->is_int64() || value->is_uint64();
  const std::int64_t number = whole ? value->to_number<std::int64_t>(ec) : 0;
  if (!whole || ec || number < least || number > most) {
    return wrong(name, fmt::format("must be a whole number from {} to {}.", least, most)), std::nullopt;
  }
  return number;
}

std::optional<Duration> Fields::duration(std::string_view name, Duration least, Duration most) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  const auto parsed = as_duration(*value);
  if (!parsed || *parsed < least || *parsed > most) {
    wrong(name, fmt::format("must be a duration such as \"30s\", from {} to {}.", format_duration(least),
                            format_duration(most)));
    return std::nullopt;
  }
  return parsed;
}

const json::array* Fields::array(std::string_view name, std::size_t most_items, std::string_view of) {
  const json::value* value = find(name);
  if (!value) return nullptr;
  if (!value->is_array()) return wrong(name, fmt::format("must be an array of {}.", of)), nullptr;
  if (value->get_array().size() > most_items) {
    return wrong(name, fmt::format("must have at most {} items.", most_items)), nullptr;
  }
  return &value->get_array();
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view name, std::size_t most_items,
                                                      std::size_t most_bytes) {
  const json::array* items = array(name, most_items, "strings");
  if (!items) return std::nullopt;
  std::vector<std::string> texts;
  for (const json::value& item : *items) {
    const std::string place = fmt::format("{}[{}]", name, texts.size());
    if (!item.is_string() || item.get_string().empty() || item.get_string().size() > most_bytes) {
      return wrong(place, fmt::format("must be a string of 1 to {} bytes.", most_bytes)), std::nullopt;
    }
    texts.emplace_back(item.get_string());
  }
  return texts;
}

std::optional<std::vector<Duration>> Fields::durations(std::string_view name, std::size_t most_items,
                                                       Duration most) {
  const json::array* items = array(name, most_items, "durations");
  if (!items) return std::nullopt;
  std::vector<Duration> read;
  for (const json::value& item : *items) {
    const auto parsed = as_duration(item);
    if (!parsed || *parsed > most) {
      wrong(fmt::format("{}[{}]", name, read.size()),
            fmt::format("must be a duration such as \"30s\", at most {}.", format_duration(most)));
      return std::nullopt;
    }
    read.push_back(*parsed);
  }
  return read;
}

std::optional<std::vector<int>> Fields::integers(std::string_view name, std::size_t most_items, int least,
                                                 int most) {
  const json::array* items = array(name, most_items, "whole numbers");
  if (!items) return std::nullopt;
  std::vector<int> numbers;
  for (const json::value& item : *items) {
    if (!item.is_int64() || item.get_int64() < least || item.get_int64() > most) {
      wrong(fmt::format("{}[{}]", name, numbers.size()),
            fmt::format("must be a whole number, {} to {}.", least, most));
      return std::nullopt;
    }
    numbers.push_back(static_cast<int>(item.get_int64()));
  }
  return numbers;
}

const json::object* Fields::object(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return nullptr;
  if (!value->is_object()) return wrong(name, "must be an object."), nullptr;
  return &value->get_object();
}

std::optional<Fields::Rate> Fields::rate(std::string_view name) {
  constexpr std::int64_t kMost = 1'000'000;
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_null()) return Rate{};
  if (!value->is_object()) {
    wrong(name, R"(must be an object such as {"per_second": 100, "burst": 200}, or null.)");
    return std::nullopt;
  }
  Fields inner(value->get_object());
  inner.require("per_second");
  const auto per_second = inner.integer("per_second", 1, kMost);
  const auto burst = inner.integer("burst", 0, kMost).value_or(0);
  if (const auto problem = inner.finish()) {
    for (const FieldError& error : problem->errors)
      wrong(fmt::format("{}.{}", name, error.field), error.message);
    return std::nullopt;
  }
  return Rate{static_cast<std::uint32_t>(*per_second), static_cast<std::uint32_t>(burst)};
}

std::optional<Problem> Fields::finish() {
  const std::vector<std::string_view> known(asked_.begin(), asked_.end());
  for (const auto& [key, value] : object_) {
    const std::string_view name = key;
    if (asked_.contains(name)) continue;
    const auto near = config::nearest(name, known);
    errors_.push_back({std::string(name),
                       near.empty() ? "is not a field of this object."
                                    : fmt::format("is not a field of this object; did you mean {}?", near)});
  }
  if (errors_.empty()) return std::nullopt;
  return invalid_fields(std::move(errors_));
}

}  // namespace postern::control
