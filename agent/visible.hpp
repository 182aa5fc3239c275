#pragma once
#include <string>
#include <string_view>

/// What others wrote (the relay, a file that another user may write) on its way to somebody's terminal.
namespace postern::agent {

/// Bytes that a terminal would obey are shown as \xNN: control characters, C1 ones too (U+0080 to U+009F),
/// and all that is not ASCII where the text is not UTF-8. A line break is one of them: the text stays on its
/// line.
std::string visible(std::string_view text);
/// The same, with line breaks left as they are.
std::string visible_lines(std::string_view text);

}  // namespace postern::agent
