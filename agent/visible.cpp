#include "agent/visible.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

/// How many bytes of a character that a terminal obeys begin here; 0: none.
std::size_t obeyed(std::string_view text, bool utf8) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (at(0) < 0x20 || at(0) == 0x7f) return 1;
  if (!utf8) return at(0) >= 0x80 ? 1 : 0;
  return at(0) == 0xc2 && at(1) < 0xa0 ? 2 : 0;
}

std::string shown(std::string_view text, bool keep_breaks) {
  const bool utf8 = is_utf8(text);
  std::string out;
  while (!text.empty()) {
    const bool kept = keep_breaks && text.front() == '\n';
    const std::size_t escaped = kept ? 0 : obeyed(text, utf8);
    if (escaped == 0) out += text.front();
    for (const char c : text.substr(0, escaped))
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    text.remove_prefix(std::max<std::size_t>(escaped, 1));
  }
  return out;
}

}  // namespace

std::string visible(std::string_view text) {
  return shown(text, false);
}

std::string visible_lines(std::string_view text) {
  return shown(text, true);
}

}  // namespace postern::agent
