#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "tunnel-proto/handshake.hpp"

/// What ROTATE and ROTATE_OK carry: an agent changes its secret on a live session (SPEC.md, section 3). No
/// I/O.
namespace postern::tunnel {

/// ROTATE of an agent: the verifiers of the secret that it will prove next.
struct RotateRequest {
  std::uint32_t key_epoch = 0;  ///< one above that of the secret the session was opened with
  Verifiers verifiers;          ///< derived with Identity::agent and its AgentId
};

/// ROTATE_OK: the relay has those verifiers on disk and takes both secrets from here on, or why it does not.
struct RotateAnswer {
  std::uint32_t key_epoch = 0;  ///< as it was asked
  std::optional<Refusal> refusal;
};

std::string encode(const RotateRequest& request);  ///< a payload
/// Error `protocol`. An empty payload is no request: that is how a relay asks for one.
Result<RotateRequest> decode_rotate(std::string_view payload);

std::string encode(const RotateAnswer& answer);
Result<RotateAnswer> decode_rotate_ok(std::string_view payload);

}  // namespace postern::tunnel
