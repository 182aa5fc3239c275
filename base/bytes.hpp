#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Bytes are std::string (owned) and std::string_view (borrowed) everywhere: bodies, keys, digests.
/// Nothing here assumes text.
namespace postern {

std::string hex_encode(std::string_view bytes);  ///< lower case
/// Both cases are accepted. nullopt on an odd length or a non-hex character.
std::optional<std::string> hex_decode(std::string_view text);

std::string base64_encode(std::string_view bytes);     ///< RFC 4648 section 4, padded
std::string base64url_encode(std::string_view bytes);  ///< RFC 4648 section 5, no padding
/// Strict: padded, canonical (unused bits zero), no white space. nullopt otherwise.
std::optional<std::string> base64_decode(std::string_view text);
/// Strict, without padding. nullopt otherwise.
std::optional<std::string> base64url_decode(std::string_view text);

/// True when equal; takes the same time wherever the first difference is. Lengths are not secret.
bool constant_time_equal(std::string_view a, std::string_view b);

/// Overwrites in a way the compiler may not remove.
void cleanse(std::string& bytes);

/// ASCII only: the locale never matters to a protocol.
bool ascii_iequals(std::string_view a, std::string_view b);
std::string ascii_lower(std::string_view text);

/// Strict base-10 without sign, blanks or overflow; nullopt otherwise.
std::optional<std::uint64_t> parse_u64(std::string_view digits);

/// The UTF-8 validity RFC 3629 asks for (no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes);

}  // namespace postern
