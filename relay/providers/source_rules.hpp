#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "relay/model.hpp"

/// What a source must be before it may be created or changed.
namespace postern::relay {

inline constexpr std::size_t kSecretsMax = 10;
inline constexpr std::size_t kSecretBytesMax = 1024;

/// Checks provider, scheme_json, secrets and unsigned_ok against each other; nothing else of the source.
/// Messages name the field and never repeat a secret. Error codes, in the order they are looked for:
///   unknown_provider   names the nearest one and lists all
///   scheme_unexpected  a scheme for a provider that has its own
///   scheme_required    none for generic-hmac
///   scheme_invalid     see parse_generic_scheme
///   secret_required    no secret, and "unsigned" is not true
///   unsigned_conflict  secrets, and "unsigned" is true
///   secrets_too_many, secret_too_short, secret_too_long, secret_malformed, secret_repeated
Result<void> validate_source(const Source& source);

}  // namespace postern::relay
