#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

/// Picks a few scalars out of a JSON text in one pass, without building anything: an event's id and type are
/// worth a few hundred bytes of a body, not a tree of it.
namespace postern::relay {

/// RFC 6901, parsed once. At most kTokensMax tokens.
struct JsonPointer {
  static constexpr std::size_t kTokensMax = 8;
  std::vector<std::string> tokens;

  /// Error `malformed_pointer`: no leading '/', a bad '~' escape, empty, or too deep.
  static Result<JsonPointer> parse(std::string_view text);
};

inline constexpr std::size_t kJsonPointersMax = 8;
inline constexpr std::size_t kJsonDepthMax = 64;
using JsonFound = std::array<std::optional<std::string>, kJsonPointersMax>;

/// What stands at each of `pointers` (at most kJsonPointersMax): a string decoded, a number as it is written.
/// Anything else, and an empty string, counts as absent. The first of several equal keys is taken.
/// Reading ends as soon as all are found, so the text behind that is not checked; a text found broken or
/// nested deeper than kJsonDepthMax before that yields nothing at all. Time is linear in the text, memory
/// constant.
JsonFound scan_json(std::string_view text, std::span<const JsonPointer* const> pointers);

}  // namespace postern::relay
