#include "relay/destinations/signing_secret.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";

}  // namespace

std::string webhook_signature(std::string_view key, std::string_view id, std::string_view timestamp,
                              std::string_view body) {
  Mac mac(Digest::sha256, key);
  for (const std::string_view part : {id, std::string_view("."), timestamp, std::string_view("."), body})
    mac.update(part);
  return "v1," + base64_encode(mac.finish());
}

Result<std::string> decode_signing_secret(std::string_view secret) {
  if (secret.starts_with(kSecretPrefix)) secret.remove_prefix(kSecretPrefix.size());
  auto key = base64_decode(secret);
  if (!key)
    return fail("invalid_signing_secret",
                "the signing secret must be \"whsec_\" and base64 with its padding");
  if (key->size() < 24 || key->size() > 64)
    return fail("invalid_signing_secret", "the signing secret must hold 24 to 64 bytes");
  return std::move(*key);
}

std::string new_signing_secret(Random& random) {
  std::string key = random.bytes(32);
  std::string secret = std::string(kSecretPrefix) + base64_encode(key);
  cleanse(key);
  return secret;
}

}  // namespace postern::relay
