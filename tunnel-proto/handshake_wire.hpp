#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/quiet_protobuf.hpp"

/// The messages of the handshake, checked field by field.
namespace postern::tunnel {

inline std::string_view id_view(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

template <class Message>
bool parse_message(Message& message, std::string_view bytes) {
  silence_library();
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

/// The next frame, or nullopt when `bytes` has been used up. `received` counts what was taken, frame headers
/// and all; over kMaxUnproven it is `protocol`, as is a frame that has no place before authentication.
Result<std::optional<Frame>> next_handshake_frame(FrameReader& reader, std::string_view& bytes,
                                                  std::size_t& received);

std::string encode_hello(const Hello& hello, std::string_view nonce);
/// `version` when this version is not offered, `protocol` for anything malformed.
Result<Hello> decode_hello(std::string_view payload);

std::string encode_admission(const Admission& admission);
Result<Admission> decode_admission(std::string_view params);

std::string encode_refusal(const Refusal& refusal);
/// Never fails: what cannot be read becomes "auth_failed". Texts are cut to sane lengths.
Refusal decode_refusal(std::string_view payload);

}  // namespace postern::tunnel
