#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/id.hpp"
#include "base/random.hpp"
#include "relay/model.hpp"

/// API keys: pk_<key id>_<30 random base62 characters><6 base62 characters of CRC-32>. 178 random bits, so a
/// plain SHA-256 is kept and no slow hash is needed; the checksum turns typing errors and scanners away
/// without a look-up.
namespace postern::control {

/// A new key in clear; show it once. Its digest is what is stored.
std::string make_api_key(KeyId id, Random& random);
std::string api_key_digest(std::string_view key);
/// The id of a well-formed key; nullopt when malformed or mistyped. Proves nothing.
std::optional<KeyId> api_key_id(std::string_view key);

/// Who a request acts as.
struct Principal {
  WorkspaceId workspace_id;
  KeyId key_id;
};

/// The live keys in memory. Safe from any thread.
class ApiKeys {
 public:
  explicit ApiKeys(const std::vector<relay::ApiKey>& keys) { replace(keys); }
  /// nullopt for anything but a live key. The digests are compared in constant time.
  std::optional<Principal> find(std::string_view key) const;
  void replace(const std::vector<relay::ApiKey>& keys);  ///< all of them: another node may have changed some

 private:
  struct Entry {
    std::string digest;
    WorkspaceId workspace_id;
  };
  mutable std::mutex mutex_;
  std::unordered_map<KeyId, Entry> entries_;
};

}  // namespace postern::control
