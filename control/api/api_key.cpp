#include "control/api/api_key.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace postern::control {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kPrefix = "pk_";
constexpr std::size_t kIdLength = 26;
constexpr std::size_t kRandomLength = 30;
constexpr std::size_t kChecksumLength = 6;
constexpr std::size_t kLength = kPrefix.size() + kIdLength + 1 + kRandomLength + kChecksumLength;

std::string random_base62(std::size_t length, Random& random) {
  std::string text;
  while (text.size() < length) {
    for (const char byte : random.bytes(length)) {
      // 248 is the largest multiple of 62 in a byte: the rest would favour the first letters.
      const auto value = static_cast<unsigned char>(byte);
      if (value < 248 && text.size() < length) text += kAlphabet[value % 62];
    }
  }
  return text;
}

std::string checksum(std::string_view text) {
  std::uint32_t crc = crc32(text);
  std::string digits(kChecksumLength, kAlphabet[0]);
  for (std::size_t i = kChecksumLength; i-- > 0; crc /= 62) digits[i] = kAlphabet[crc % 62];
  return digits;
}

}  // namespace

std::string make_api_key(KeyId id, Random& random) {
  std::string key =
      fmt::format("{}{}_{}", kPrefix, uuid_to_text(id.uuid), random_base62(kRandomLength, random));
  return key + checksum(key);
}

std::string api_key_digest(std::string_view key) {
  return sha256(key);
}

std::optional<KeyId> api_key_id(std::string_view key) {
  if (key.size() != kLength || !key.starts_with(kPrefix)) return std::nullopt;
  if (key[kPrefix.size() + kIdLength] != '_') return std::nullopt;
  if (checksum(key.substr(0, kLength - kChecksumLength)) != key.substr(kLength - kChecksumLength))
    return std::nullopt;
  const auto uuid = uuid_from_text(key.substr(kPrefix.size(), kIdLength));
  return uuid ? std::optional(KeyId{*uuid}) : std::nullopt;
}

void ApiKeys::replace(const std::vector<relay::ApiKey>& keys) {
  std::unordered_map<KeyId, Entry> live;
  for (const relay::ApiKey& key : keys) {
    if (!key.revoked) live.emplace(key.id, Entry{key.secret_digest, key.workspace_id});
  }
  const std::lock_guard lock(mutex_);
  entries_ = std::move(live);
}

std::optional<Principal> ApiKeys::find(std::string_view key) const {
  const auto id = api_key_id(key);
  if (!id) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(*id);
  if (entry == entries_.end()) return std::nullopt;
  if (!constant_time_equal(api_key_digest(key), entry->second.digest)) return std::nullopt;
  return Principal{entry->second.workspace_id, *id};
}

}  // namespace postern::control
