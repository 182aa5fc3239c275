#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http/message.hpp"

/// How lists are kept in one column. A list of byte strings is a row of (length, bytes), the length in
/// LEB128: two bytes of overhead for a usual header, and no escaping.
namespace postern::relay {

std::string pack_strings(const std::vector<std::string>& strings);
/// nullopt when the bytes are not what pack_strings writes.
std::optional<std::vector<std::string>> unpack_strings(std::string_view packed);

/// name, value, name, value, … in order and case.
std::string pack_headers(const http::Headers& headers);
void pack_headers(const http::Headers& headers, std::string& out);  ///< appends
std::optional<http::Headers> unpack_headers(std::string_view packed);

/// "0,5000000,30000000"; empty for none.
std::string pack_numbers(const std::vector<std::int64_t>& numbers);
std::optional<std::vector<std::int64_t>> unpack_numbers(std::string_view packed);

}  // namespace postern::relay
