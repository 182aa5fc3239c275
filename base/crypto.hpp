#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"

/// Thin, typed wrappers over OpenSSL 3. All of them are safe from any thread unless said otherwise.
namespace postern {

enum class Digest { sha1, sha256, sha512 };

std::string sha256(std::string_view data);  ///< 32 bytes
std::string digest(Digest kind, std::string_view data);
std::string hmac(Digest kind, std::string_view key, std::string_view message);
inline std::string hmac_sha256(std::string_view key, std::string_view message) {
  return hmac(Digest::sha256, key, message);
}

/// SHA-256 of what comes in parts. One thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(std::string_view part);
  std::string finish();  ///< 32 bytes; the object is then ready for the next one

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A keyed MAC whose key set-up is paid once: for signing or checking many messages with one secret
/// (0.8 µs against 1.9 µs for 1 KiB). Copies share nothing. One thread at a time.
class Mac {
 public:
  Mac(Digest kind, std::string_view key);
  Mac(Mac&&) noexcept;
  Mac& operator=(Mac&&) noexcept;
  ~Mac();

  void update(std::string_view part);
  std::string finish();  ///< the MAC; the object is then ready for the next message

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// AES-256-GCM with a random 96-bit nonce in front and the tag behind: nonce(12) ‖ ciphertext ‖ tag(16).
/// `key` is 32 bytes. `aad` is authenticated and not stored: it ties a value to its place.
/// NIST SP 800-38D allows 2^32 messages a key with random nonces; data keys are per workspace for that
/// reason.
std::string aead_seal(std::string_view key, std::string_view plaintext, std::string_view aad, Random& random);
/// nullopt when the key, the aad or any byte is not the one it was sealed with.
std::optional<std::string> aead_open(std::string_view key, std::string_view sealed, std::string_view aad);

/// CRC-32 (IEEE), for typing errors in tokens and damage to files, never for security.
std::uint32_t crc32(std::string_view data);

}  // namespace postern
