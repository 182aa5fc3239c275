#include "relay/store/packing.hpp"

#include <charconv>

namespace postern::relay {
namespace {

void put(std::string& out, std::string_view bytes) {
  std::uint64_t left = bytes.size();
  while (left >= 0x80) {
    out.push_back(static_cast<char>(left | 0x80));
    left >>= 7;
  }
  out.push_back(static_cast<char>(left));
  out.append(bytes);
}

/// Cuts the next string off the front of `rest`.
std::optional<std::string_view> take(std::string_view& rest) {
  std::uint64_t size = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (rest.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    size |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte & 0x80U) continue;
    if (size > rest.size()) return std::nullopt;
    const auto bytes = rest.substr(0, size);
    rest.remove_prefix(size);
    return bytes;
  }
  return std::nullopt;
}

}  // namespace

std::string pack_strings(const std::vector<std::string>& strings) {
  std::string out;
  for (const auto& string : strings) put(out, string);
  return out;
}

std::optional<std::vector<std::string>> unpack_strings(std::string_view packed) {
  std::vector<std::string> strings;
  while (!packed.empty()) {
    const auto next = take(packed);
    if (!next) return std::nullopt;
    strings.emplace_back(*next);
  }
  return strings;
}

void pack_headers(const http::Headers& headers, std::string& out) {
  for (const auto& header : headers) {
    put(out, header.name);
    put(out, header.value);
  }
}

std::string pack_headers(const http::Headers& headers) {
  std::string out;
  pack_headers(headers, out);
  return out;
}

std::optional<http::Headers> unpack_headers(std::string_view packed) {
  http::Headers headers;
  while (!packed.empty()) {
    const auto name = take(packed);
    if (!name) return std::nullopt;
    const auto value = take(packed);
    if (!value) return std::nullopt;
    headers.push_back({std::string(*name), std::string(*value)});
  }
  return headers;
}

std::string pack_numbers(const std::vector<std::int64_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

std::optional<std::vector<std::int64_t>> unpack_numbers(std::string_view packed) {
  std::vector<std::int64_t> numbers;
  const char* at = packed.data();
  const char* const end = at + packed.size();
  while (at != end) {
    std::int64_t number = 0;
    const auto [after, error] = std::from_chars(at, end, number);
    if (error != std::errc() || (after != end && (*after != ',' || after + 1 == end))) return std::nullopt;
    numbers.push_back(number);
    at = after == end ? end : after + 1;
  }
  return numbers;
}

}  // namespace postern::relay
