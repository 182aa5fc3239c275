#include "tunnel-proto/rotation.hpp"

#include "tunnel-proto/handshake_wire.hpp"
#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {

std::string encode(const RotateRequest& request) {
  wire::Rotate message;
  message.set_key_epoch(request.key_epoch);
  message.set_stored_key(request.verifiers.stored_key);
  message.set_server_key(request.verifiers.server_key);
  return message.SerializeAsString();
}

Result<RotateRequest> decode_rotate(std::string_view payload) {
  wire::Rotate message;
  if (!parse_message(message, payload) || message.key_epoch() == 0 ||
      message.stored_key().size() != kMacSize || message.server_key().size() != kMacSize) {
    return fail("protocol", "ROTATE is malformed");
  }
  return RotateRequest{message.key_epoch(), {message.stored_key(), message.server_key()}};
}

std::string encode(const RotateAnswer& answer) {
  wire::RotateOk message;
  message.set_key_epoch(answer.key_epoch);
  if (answer.refusal) message.set_refusal(encode_refusal(*answer.refusal));
  return message.SerializeAsString();
}

Result<RotateAnswer> decode_rotate_ok(std::string_view payload) {
  wire::RotateOk message;
  if (!parse_message(message, payload)) return fail("protocol", "ROTATE_OK is malformed");
  RotateAnswer answer{message.key_epoch(), std::nullopt};
  if (!message.refusal().empty()) answer.refusal = decode_refusal(message.refusal());
  return answer;
}

}  // namespace postern::tunnel
