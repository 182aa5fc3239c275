#include "tunnel-proto/handshake_keys.hpp"

#include <array>
#include <stdexcept>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "tunnel-proto/big_endian.hpp"

namespace postern::tunnel {
namespace {

std::string_view view(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

std::string label(Identity kind, std::string_view what, const Uuid& id) {
  std::string text = kind == Identity::agent ? "postern1 agent " : "postern1 join ";
  text += what;
  text += view(id);
  return text;
}

std::string xor_of(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

std::string agent_mask(std::string_view stored_key, std::string_view transcript) {
  return hmac_sha256(stored_key, "agent" + std::string(transcript));
}

}  // namespace

std::string client_key(Identity kind, const Uuid& id, std::string_view secret) {
  return hmac_sha256(secret, label(kind, "client key", id));
}

std::string server_key(Identity kind, const Uuid& id, std::string_view secret) {
  return hmac_sha256(secret, label(kind, "server key", id));
}

Verifiers derive_verifiers(Identity kind, const Uuid& id, std::string_view secret) {
  if (secret.size() != kSecretSize) throw std::invalid_argument("a tunnel secret has 32 bytes");
  std::string key = client_key(kind, id, secret);
  Verifiers verifiers{sha256(key), server_key(kind, id, secret)};
  cleanse(key);
  return verifiers;
}

std::string transcript(std::string_view hello, std::string_view challenge, std::string_view binding) {
  std::string text(kTranscriptLabel);
  for (const std::string_view part : {hello, challenge, binding}) {
    append_u64(text, part.size());
    text += part;
  }
  std::string digest = sha256(text);
  cleanse(text);
  return digest;
}

std::string make_agent_proof(std::string_view key, std::string_view transcript) {
  return xor_of(key, agent_mask(sha256(key), transcript));
}

bool check_agent_proof(const Verifiers& verifiers, std::string_view transcript, std::string_view proof) {
  if (proof.size() != kMacSize) return false;
  std::string key = xor_of(proof, agent_mask(verifiers.stored_key, transcript));
  const bool right = constant_time_equal(sha256(key), verifiers.stored_key);
  cleanse(key);
  return right;
}

std::string make_relay_proof(std::string_view server_key, std::string_view transcript,
                             std::string_view params) {
  std::string text = "relay";
  text += transcript;
  text += params;
  return hmac_sha256(server_key, text);
}

Verifiers decoy_verifiers(std::string_view decoy_key, Identity kind, const Uuid& id) {
  return {hmac_sha256(decoy_key, label(kind, "decoy stored key", id)),
          hmac_sha256(decoy_key, label(kind, "decoy server key", id))};
}

}  // namespace postern::tunnel
