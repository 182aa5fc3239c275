#pragma once
#include <array>
#include <string_view>

/// Character classes of RFC 9110 and 9112 as tables: one look-up a byte, no locale.
namespace postern::http {

using CharClass = std::array<bool, 256>;

/// RFC 9110, section 5.6.2: the bytes of methods and field names.
constexpr CharClass token_chars() {
  CharClass table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}

/// RFC 9110, section 5.5: visible ASCII, blank, tab, and bytes over 127, which stay opaque.
constexpr CharClass value_chars() {
  CharClass table{};
  table['\t'] = true;
  for (unsigned c = 0x20; c <= 0xff; ++c) table[c] = c != 0x7f;
  return table;
}

/// Visible ASCII but '#': a fragment never travels, and anything above 126 must be percent-encoded.
constexpr CharClass target_chars() {
  CharClass table{};
  for (unsigned c = 0x21; c <= 0x7e; ++c) table[c] = c != '#';
  return table;
}

/// Every registered method is upper case; a lower-case one is a sign of confusion somewhere before us.
constexpr CharClass method_chars() {
  CharClass table{};
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  table['-'] = true;
  return table;
}

inline constexpr CharClass kToken = token_chars();
inline constexpr CharClass kValue = value_chars();
inline constexpr CharClass kTarget = target_chars();
inline constexpr CharClass kMethod = method_chars();

inline bool in_class(const CharClass& table, char c) {
  return table[static_cast<unsigned char>(c)];
}

/// How many bytes at the start of `bytes` belong to the class.
inline std::size_t run_length(const CharClass& table, std::string_view bytes) {
  std::size_t n = 0;
  while (n < bytes.size() && in_class(table, bytes[n])) ++n;
  return n;
}

inline bool is_token(std::string_view text) {
  return !text.empty() && run_length(kToken, text) == text.size();
}
inline bool is_field_value(std::string_view text) {
  return run_length(kValue, text) == text.size();
}

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace postern::http
