#include "base/crypto.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <stdexcept>

namespace postern {
namespace {

constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;

const EVP_MD* evp(Digest kind) {
  switch (kind) {
    case Digest::sha1:
      return EVP_sha1();
    case Digest::sha256:
      return EVP_sha256();
    case Digest::sha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

const char* name_of(Digest kind) {
  switch (kind) {
    case Digest::sha1:
      return "SHA1";
    case Digest::sha256:
      return "SHA256";
    case Digest::sha512:
      return "SHA512";
  }
  return "SHA256";
}

const unsigned char* in(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}
unsigned char* out(char* s) {
  return reinterpret_cast<unsigned char*>(s);
}

/// OpenSSL fails here only without memory or with a broken library: a fault.
void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

/// Row k: what a byte does to the remainder when k more bytes come after it. Eight at a time is 10 times as
/// fast as one, which matters for files of many gigabytes.
constexpr auto kCrc = [] {
  std::array<std::array<std::uint32_t, 256>, 8> rows{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    rows[0][byte] = crc;
  }
  for (std::size_t k = 1; k < rows.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte)
      rows[k][byte] = rows[k - 1][byte] >> 8 ^ rows[0][rows[k - 1][byte] & 0xff];
  }
  return rows;
}();

CipherContext cipher_context() {
  CipherContext context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  must(context != nullptr, "EVP_CIPHER_CTX_new");
  return context;
}

}  // namespace

std::string digest(Digest kind, std::string_view data) {
  std::string result(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  must(EVP_Digest(data.data(), data.size(), out(result.data()), &size, evp(kind), nullptr) == 1,
       "EVP_Digest");
  result.resize(size);
  return result;
}

std::string sha256(std::string_view data) {
  return digest(Digest::sha256, data);
}

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  must(state_->context && EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1,
       "EVP_DigestInit_ex");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view part) {
  must(EVP_DigestUpdate(state_->context.get(), part.data(), part.size()) == 1, "EVP_DigestUpdate");
}

std::string Sha256::finish() {
  std::string result(32, '\0');
  must(EVP_DigestFinal_ex(state_->context.get(), out(result.data()), nullptr) == 1, "EVP_DigestFinal_ex");
  must(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1, "EVP_DigestInit_ex");
  return result;
}

std::string hmac(Digest kind, std::string_view key, std::string_view message) {
  Mac mac(kind, key);
  mac.update(message);
  return mac.finish();
}

struct Mac::State {
  EVP_MAC_CTX* context = nullptr;
  ~State() { EVP_MAC_CTX_free(context); }
};

Mac::Mac(Digest kind, std::string_view key) : state_(std::make_unique<State>()) {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  must(algorithm != nullptr, "EVP_MAC_fetch");
  state_->context = EVP_MAC_CTX_new(algorithm);
  must(state_->context != nullptr, "EVP_MAC_CTX_new");
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string("digest", const_cast<char*>(name_of(kind)), 0),
      OSSL_PARAM_construct_end()};
  // A null key would mean "keep the old key", so an empty one still needs an address.
  const unsigned char* data = key.empty() ? in("") : in(key);
  must(EVP_MAC_init(state_->context, data, key.size(), params.data()) == 1, "EVP_MAC_init");
}

Mac::Mac(Mac&&) noexcept = default;
Mac& Mac::operator=(Mac&&) noexcept = default;
Mac::~Mac() = default;

void Mac::update(std::string_view part) {
  must(EVP_MAC_update(state_->context, in(part), part.size()) == 1, "EVP_MAC_update");
}

std::string Mac::finish() {
  std::array<char, EVP_MAX_MD_SIZE> buffer;
  std::size_t size = 0;
  must(EVP_MAC_final(state_->context, out(buffer.data()), &size, buffer.size()) == 1, "EVP_MAC_final");
  must(EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1, "EVP_MAC_init");
  return {buffer.data(), size};
}

std::string aead_seal(std::string_view key, std::string_view plaintext, std::string_view aad,
                      Random& random) {
  must(key.size() == 32, "AES-256 key size");
  std::string sealed(kNonce + plaintext.size() + kTag, '\0');
  random.fill(sealed.data(), kNonce);
  const auto context = cipher_context();
  char* const body = sealed.data() + kNonce;
  int size = 0;
  must(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(sealed)) == 1,
       "EncryptInit");
  must(EVP_EncryptUpdate(context.get(), nullptr, &size, in(aad), static_cast<int>(aad.size())) == 1, "aad");
  must(EVP_EncryptUpdate(context.get(), out(body), &size, in(plaintext),
                         static_cast<int>(plaintext.size())) == 1,
       "EncryptUpdate");
  must(EVP_EncryptFinal_ex(context.get(), out(body) + size, &size) == 1, "EncryptFinal");
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, body + plaintext.size()) == 1, "tag");
  return sealed;
}

std::optional<std::string> aead_open(std::string_view key, std::string_view sealed, std::string_view aad) {
  if (key.size() != 32 || sealed.size() < kNonce + kTag) return std::nullopt;
  const std::string_view body = sealed.substr(kNonce, sealed.size() - kNonce - kTag);
  std::string tag(sealed.substr(sealed.size() - kTag));
  std::string plaintext(body.size(), '\0');
  const auto context = cipher_context();
  int size = 0;
  must(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(sealed)) == 1,
       "DecryptInit");
  must(EVP_DecryptUpdate(context.get(), nullptr, &size, in(aad), static_cast<int>(aad.size())) == 1, "aad");
  must(EVP_DecryptUpdate(context.get(), out(plaintext.data()), &size, in(body),
                         static_cast<int>(body.size())) == 1,
       "DecryptUpdate");
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1, "tag");
  if (EVP_DecryptFinal_ex(context.get(), out(plaintext.data()) + size, &size) != 1) return std::nullopt;
  return plaintext;
}

std::uint32_t crc32(std::string_view data) {
  std::uint32_t crc = ~0U;
  for (; data.size() >= 8; data.remove_prefix(8)) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(data[i]); };
    crc ^= static_cast<std::uint32_t>(at(0)) | static_cast<std::uint32_t>(at(1)) << 8 |
           static_cast<std::uint32_t>(at(2)) << 16 | static_cast<std::uint32_t>(at(3)) << 24;
    crc = kCrc[7][crc & 0xff] ^ kCrc[6][crc >> 8 & 0xff] ^ kCrc[5][crc >> 16 & 0xff] ^ kCrc[4][crc >> 24] ^
          kCrc[3][at(4)] ^ kCrc[2][at(5)] ^ kCrc[1][at(6)] ^ kCrc[0][at(7)];
  }
  for (const char c : data) crc = crc >> 8 ^ kCrc[0][(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

}  // namespace postern
