#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "agent/state.hpp"

/// Which of two secrets an agent proves while it changes from one to the other (SPEC.md, section 3). No I/O:
/// whoever uses it saves the identity where this says so.
namespace postern::agent {

struct SecretPick {
  std::string secret;
  std::uint32_t key_epoch = 0;
};

/// One of each of an agent's sessions: they change over one after the other.
class SecretRotation {
 public:
  /// What to prove now, at one login. The next secret once the relay is known to have it, the one in use
  /// before; and the other one after a refusal.
  SecretPick pick(const Identity& identity);

  /// The relay refused what was picked. True: try again at once, with the other one. False: neither is good.
  bool refused(const Identity& identity);

  /// The relay admitted what was picked. When that was the next secret it is the one in use from here on:
  /// save.
  void admitted(Identity& identity);

 private:
  std::uint32_t picked_ = 0;              ///< the epoch of what was picked last
  std::optional<std::uint32_t> refused_;  ///< the likelier one was
};

}  // namespace postern::agent
