#pragma once
#include <boost/json.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::control {

/// A column of a table for people: its title and the field it shows ("status.mode" for one inside).
struct Column {
  std::string_view title;
  std::string_view field;
};

/// Rows under titles, each column as wide as it must be. Control characters are shown as escapes, so that
/// what a stranger sent cannot move the cursor of a terminal. Empty without rows.
std::string format_table(std::span<const Column> columns, const boost::json::array& rows);

/// "field: value" lines of one object; objects and arrays inside are indented.
std::string format_object(const boost::json::object& object);

/// A value as a cell or line shows it: text without quotes, yes and no, - for null.
std::string format_cell(const boost::json::value& value);

/// Text with control characters (and the C1 ones in UTF-8) as \xNN.
std::string printable(std::string_view text);

}  // namespace postern::control
