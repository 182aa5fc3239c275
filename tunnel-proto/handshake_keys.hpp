#pragma once
#include <string>
#include <string_view>

#include "tunnel-proto/handshake.hpp"

/// The sums of SPEC.md, section 3, for both halves of the handshake.
namespace postern::tunnel {

/// The agent's own key; cleanse it after use.
std::string client_key(Identity kind, const Uuid& id, std::string_view secret);
std::string server_key(Identity kind, const Uuid& id, std::string_view secret);

/// T, over the payloads as they travelled: protobuf has many forms for one message, and only one was sent.
std::string transcript(std::string_view hello, std::string_view challenge, std::string_view binding);

std::string make_agent_proof(std::string_view client_key, std::string_view transcript);
/// Takes the same time whatever is wrong. Any size of `proof`.
bool check_agent_proof(const Verifiers& verifiers, std::string_view transcript, std::string_view proof);

std::string make_relay_proof(std::string_view server_key, std::string_view transcript,
                             std::string_view params);

/// Verifiers that fit nothing, always the same for one id: an unknown id behaves like a wrong secret.
Verifiers decoy_verifiers(std::string_view decoy_key, Identity kind, const Uuid& id);

}  // namespace postern::tunnel
