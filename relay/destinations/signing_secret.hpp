#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/random.hpp"

/// Signatures of Standard Webhooks 1.0.0, scheme v1 (HMAC-SHA256). Pure.
namespace postern::relay {

/// "v1,<base64>" over "id.timestamp.body" (Standard Webhooks 1.0.0); `key` is the decoded secret.
std::string webhook_signature(std::string_view key, std::string_view id, std::string_view timestamp,
                              std::string_view body);

/// The key bytes of "whsec_<base64>"; the prefix may be missing. 24 to 64 bytes, as the specification asks.
Result<std::string> decode_signing_secret(std::string_view secret);
/// "whsec_" and the base64 of 32 random bytes.
std::string new_signing_secret(Random& random);

}  // namespace postern::relay
