#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>

/// What things may be called.
namespace postern::control {

inline constexpr std::size_t kSlugLength = 63;
inline constexpr std::string_view kSlugRule =
    "must be 1 to 63 of a-z, 0-9, - and _, starting with a letter or digit: it is part of a URL.";

/// A name that is part of an ingest URL.
inline bool is_slug(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kSlugLength && name[0] != '-' && name[0] != '_' &&
         std::ranges::all_of(name, fits);
}

inline constexpr std::size_t kNameBytes = 100;
inline constexpr std::string_view kNameRule = "must be 1 to 100 bytes without control characters.";

/// A name for people; any language.
inline bool is_name(std::string_view name) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= kNameBytes && std::ranges::none_of(name, control);
}

}  // namespace postern::control
