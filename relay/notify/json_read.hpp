#pragma once
#include <boost/json/value.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// Reading JSON of unknown shape by JSON pointers (RFC 6901): what is missing or of another type is just not
/// there.
namespace postern::relay::json_read {

const boost::json::value* find(const boost::json::value& in, std::string_view pointer);
/// Strings, and integers as digits; "" for everything else. The first pointer that gives something wins.
std::string text(const boost::json::value& in, std::initializer_list<std::string_view> pointers);
/// Integers only: a number with a point or an exponent is not an amount of minor units.
std::optional<std::int64_t> integer(const boost::json::value& in, std::string_view pointer);

}  // namespace postern::relay::json_read
