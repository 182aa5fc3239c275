#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/id.hpp"

/// What an agent's login tells of the agent's own state, and when that looks like a copy of it. No I/O.
namespace postern::relay {

/// One that was proven. SPEC.md, section 3.
struct AgentLogin {
  AgentId agent;
  std::uint64_t generation = 0;  ///< that this login was given
  std::uint64_t shown = 0;       ///< the last one the agent knew of
  std::uint32_t key_epoch = 0;   ///< of the secret that was proven
  Uuid instance{};               ///< its process
  Uuid previous_instance{};      ///< the process before that; all zero: none known
  std::string peer;              ///< address:port
  bool replicas = false;         ///< enrolled for several processes at the same time
};

/// What the store found when it wrote a login down.
struct LoginFindings {
  bool rotated = false;  ///< the first with the next secret: the older one is gone
  bool copy = false;
};

/// The last login that is known of an agent.
struct LastLogin {
  std::uint64_t generation = 0;
  std::string instance;  ///< 16 bytes; empty: not known, and then nothing looks like a copy
};

/// So many AUTH_OK can be lost, or overtake each other: a process holds several sessions, and a bad line
/// takes the answers of many logins in a row.
inline constexpr std::uint64_t kLoginsBehind = 32;

/// The state that this login shows is older than what the last one was given, and whoever got that is neither
/// this process nor the one before it: two run on copies of one state directory.
inline bool shows_a_copy(const LastLogin& last, const AgentLogin& login) {
  if (login.replicas || last.instance.empty() || login.shown >= last.generation) return false;
  const auto is_last = [&](const Uuid& id) {
    return std::equal(id.begin(), id.end(), last.instance.begin(),
                      [](std::uint8_t a, char b) { return static_cast<char>(a) == b; });
  };
  const bool successor = is_last(login.instance) || is_last(login.previous_instance);
  return !successor || login.shown + kLoginsBehind < last.generation;
}

}  // namespace postern::relay
