#include "relay/notify/text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";     // U+FFFD
constexpr std::string_view kZeroWidthSpace = "\xe2\x80\x8b";  // U+200B
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";        // U+2026

/// The length of the sequence this byte begins, if it can begin one.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// Takes one character off the front; a byte that begins none is taken alone and given as U+FFFD.
std::string_view take_character(std::string_view& rest) {
  const std::size_t length = sequence_length(static_cast<unsigned char>(rest.front()));
  const std::string_view character = rest.substr(0, length);
  if (length == 0 || character.size() != length || !is_utf8(character)) {
    rest.remove_prefix(1);
    return kReplacement;
  }
  rest.remove_prefix(length);
  return character;
}

/// The scalar value of a valid sequence of three bytes; 0 for other lengths.
unsigned three_byte_value(std::string_view character) {
  if (character.size() != 3) return 0;
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(character[i]));
  };
  return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
}

bool is_blank(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character[0]) <= ' ' || character[0] == '\x7f';
  if (character.size() == 2)
    return character[0] == '\xc2' && static_cast<unsigned char>(character[1]) <= 0xa0;  // C1
  const unsigned value = three_byte_value(character);
  return value == 0x2028 || value == 0x2029;
}

bool is_invisible(std::string_view character) {
  if (character == "\xc2\xad" || character == "\xd8\x9c") return true;  // soft hyphen, Arabic letter mark
  const unsigned v = three_byte_value(character);
  return (v >= 0x200b && v <= 0x200f) || (v >= 0x202a && v <= 0x202e) || (v >= 0x2060 && v <= 0x206f) ||
         v == 0xfeff;
}

/// One line of valid characters.
std::string clean(std::string_view raw) {
  std::string out;
  bool blank = false;
  while (!raw.empty()) {
    const std::string_view character = take_character(raw);
    if (is_invisible(character)) continue;
    if (is_blank(character)) {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += character;
  }
  return out;
}

bool starts_broadcast(std::string_view rest) {
  static constexpr std::array<std::string_view, 4> kWords = {"@channel", "@here", "@everyone", "@group"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return ascii_iequals(rest.substr(0, word.size()), word); });
}

using Escape = std::string_view (*)(char);

std::string_view escape_plain(char c) {
  if (c == '<') return "\xe2\x80\xb9";
  return c == '>' ? std::string_view("\xe2\x80\xba") : std::string_view();
}

std::string_view escape_mrkdwn(char c) {
  if (c == '&') return "&amp;";
  if (c == '<') return "&lt;";
  return c == '>' ? std::string_view("&gt;") : std::string_view();
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string render(std::string_view raw, std::size_t limit, Escape escape) {
  // More input than this cannot show: bounds the work for a body of megabytes.
  const std::string line = clean(raw.substr(0, limit * 8 + 64));
  std::vector<std::string> pieces;  // never cut inside one
  for (std::string_view rest = line; !rest.empty();) {
    const bool broadcast = starts_broadcast(rest);
    const std::string_view character = take_character(rest);
    const std::string_view escaped = character.size() == 1 ? escape(character[0]) : std::string_view();
    pieces.emplace_back(escaped.empty() ? character : escaped);
    if (broadcast) pieces.back() += kZeroWidthSpace;
  }
  std::string out;
  std::size_t used = 0;
  std::size_t fits = 0;  // bytes of `out` that leave room for the ellipsis
  for (const std::string& piece : pieces) {
    const std::size_t size = count_characters(piece);
    if (used + size > limit) return limit == 0 ? std::string() : out.substr(0, fits) + std::string(kEllipsis);
    out += piece;
    used += size;
    if (used + 1 <= limit) fits = out.size();
  }
  return out;
}

}  // namespace

std::string plain_text(std::string_view raw, std::size_t limit) {
  return render(raw, limit, escape_plain);
}

std::string mrkdwn_text(std::string_view raw, std::size_t limit) {
  return render(raw, limit, escape_mrkdwn);
}

}  // namespace postern::relay
