#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/id.hpp"

namespace postern::tunnel {

/// All a fresh machine needs to join: where the relay is, how to know it, and a secret good for one ENROLL.
/// The text form is a secret: show it once, never log it. `join_id` may be logged.
struct JoinToken {
  std::string host;  ///< DNS name or address without brackets, 1..253 printable ASCII characters
  std::uint16_t port = 0;
  JoinId join_id;
  std::string join_secret;  ///< 32 random bytes
  std::vector<std::string>
      pins;         ///< SHA-256 of the relay's SubjectPublicKeyInfo, 32 bytes each; 1..4 (current, next)
  Time expires_at;  ///< whole seconds. Only the relay's clock decides; an agent may use it for a kinder
                    ///< message

  bool operator==(const JoinToken&) const = default;
};

inline constexpr std::string_view kJoinTokenPrefix = "pj1_";

/// `pj1_` and base64url of a binary record with a CRC-32 at its end. Throws std::invalid_argument when a
/// field is outside the bounds above: that is the caller's bug.
std::string encode_join_token(const JoinToken& token);

/// Surrounding white space is dropped: tokens are pasted. Errors: `not_a_join_token` (another prefix),
/// `join_token_version` (pj2_…), `join_token_truncated` (cut or mistyped: characters, length or CRC do not
/// fit), `join_token_invalid` (a field is out of bounds). No message repeats the token.
Result<JoinToken> parse_join_token(std::string_view text);

}  // namespace postern::tunnel
