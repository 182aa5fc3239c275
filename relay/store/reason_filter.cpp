#include "relay/store/reason_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postern::relay {

/// Both engines count a text in characters, not in bytes.
std::string reason_is(const std::string& reason, std::vector<Value>& values, std::size_t before) {
  std::string start = reason + ": ";
  const auto characters =
      std::ranges::count_if(start, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  values.emplace_back(reason);
  values.emplace_back(std::move(start));
  const std::size_t last = before + values.size();
  return fmt::format("(d.reason = ?{} OR substr(d.reason, 1, {}) = ?{})", last - 1, characters, last);
}

}  // namespace postern::relay
