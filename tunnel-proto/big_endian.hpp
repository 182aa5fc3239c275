#pragma once
#include <cstdint>
#include <string>
#include <string_view>

/// Network byte order, for the frame codec and what is hashed.
namespace postern::tunnel {

template <class Number>
void append_big_endian(std::string& out, Number value) {
  for (int shift = int(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
}
inline void append_u16(std::string& out, std::uint16_t value) {
  append_big_endian(out, value);
}
inline void append_u32(std::string& out, std::uint32_t value) {
  append_big_endian(out, value);
}
inline void append_u64(std::string& out, std::uint64_t value) {
  append_big_endian(out, value);
}

/// `bytes` holds at least as many as the number has.
template <class Number>
Number read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return static_cast<Number>(value);
}
inline std::uint16_t read_u16(std::string_view bytes) {
  return read_big_endian<std::uint16_t>(bytes);
}
inline std::uint32_t read_u32(std::string_view bytes) {
  return read_big_endian<std::uint32_t>(bytes);
}
inline std::uint64_t read_u64(std::string_view bytes) {
  return read_big_endian<std::uint64_t>(bytes);
}

}  // namespace postern::tunnel
