#include "relay/providers/scheme_reader.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "relay/providers/nearest.hpp"

namespace postern::relay {
namespace {

const boost::json::object kEmpty;

bool is_token(std::string_view name) {
  constexpr std::string_view kToken =
      "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !name.empty() && name.find_first_not_of(kToken) == std::string_view::npos;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

void SchemeReader::refuse(std::string_view field, std::string_view what) {
  if (first_) return;
  first_ = Error{"scheme_invalid", fmt::format("{}{}{} {}", path_, field.empty() ? "" : ".", field, what)};
}

void SchemeReader::only(std::span<const std::string_view> fields) {
  for (const auto& [key, value] : *object_) {
    const std::string_view name(key.data(), key.size());
    if (std::ranges::find(fields, name) != fields.end()) continue;
    const std::string_view near = nearest(name, fields);
    refuse("", near.empty() ? "has a field that is not known"
                            : fmt::format("has a field that is not known; did you mean \"{}\"?", near));
  }
}

bool SchemeReader::is_text(std::string_view field, std::string_view text) const {
  const auto* const value = object_->if_contains(field);
  return value != nullptr && value->is_string() && std::string_view(value->get_string()) == text;
}

std::string SchemeReader::text(std::string_view field, std::size_t bytes_max) {
  const auto* const value = object_->if_contains(field);
  if (value == nullptr) return "";
  if (!value->is_string()) {
    refuse(field, "must be a string");
    return "";
  }
  const std::string_view text = value->get_string();
  if (text.size() > bytes_max)
    refuse(field, fmt::format("is longer than {} characters", bytes_max));
  else if (!is_printable(text))
    refuse(field, "must be printable ASCII");
  return std::string(text);
}

std::string SchemeReader::header_name(std::string_view field) {
  std::string name = text(field, 128);
  if (!is_token(name)) refuse(field, has(field) ? "must be a header name" : "is required");
  return name;
}

std::int64_t SchemeReader::integer(std::string_view field, std::int64_t least, std::int64_t most,
                                   std::int64_t otherwise) {
  const auto* const value = object_->if_contains(field);
  if (value == nullptr) return otherwise;
  if (value->is_int64() && value->get_int64() >= least && value->get_int64() <= most)
    return value->get_int64();
  refuse(field, fmt::format("must be a whole number from {} to {}", least, most));
  return otherwise;
}

SchemeReader SchemeReader::object(std::string_view field) {
  const auto* const value = object_->if_contains(field);
  const std::string path = path_ + "." + std::string(field);
  if (value != nullptr && value->is_object()) return SchemeReader(value->get_object(), path, first_);
  refuse(field, "must be an object");
  return SchemeReader(kEmpty, path, first_);
}

}  // namespace postern::relay
