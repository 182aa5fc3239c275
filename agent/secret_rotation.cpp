#include "agent/secret_rotation.hpp"

#include "base/bytes.hpp"

namespace postern::agent {

SecretPick SecretRotation::pick(const Identity& identity) {
  const bool next_first = identity.next_known && !identity.next_secret.empty();
  const bool wants_other = refused_ == identity.key_epoch + (next_first ? 1 : 0);
  const bool next = !identity.next_secret.empty() && next_first != wants_other;
  picked_ = identity.key_epoch + (next ? 1 : 0);
  return {next ? identity.next_secret : identity.secret, picked_};
}

bool SecretRotation::refused(const Identity& identity) {
  // Another session has changed the secret meanwhile: what was refused is in use no more.
  if (picked_ < identity.key_epoch) return true;
  const bool first = !refused_.has_value();
  refused_ = picked_;
  if (first && !identity.next_secret.empty()) return true;
  refused_.reset();
  return false;
}

void SecretRotation::admitted(Identity& identity) {
  refused_.reset();
  if (picked_ <= identity.key_epoch || identity.next_secret.empty()) {
    identity.next_known = false;  // it was refused, or not tried: the relay is told again
    return;
  }
  cleanse(identity.secret);
  identity.secret = std::exchange(identity.next_secret, {});
  ++identity.key_epoch;
  identity.next_known = false;
}

}  // namespace postern::agent
