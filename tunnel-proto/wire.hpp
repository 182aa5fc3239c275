#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

/// The numbers of SPEC.md, in its order. Changing one is a new protocol version.
namespace postern::tunnel {

// 1. Transport
inline constexpr std::string_view kAlpn = "postern/1";
inline constexpr std::uint32_t kVersion = 1;

// 2. Frames
inline constexpr std::size_t kHeaderSize = 12;   ///< type 1 + flags 1 + reserved 2 + stream 4 + length 4
inline constexpr std::size_t kMaxData = 16'372;  ///< header + payload = 16 384, one TLS record
/// Payload of every other frame once authenticated: the 64 KiB of headers and target that a request may
/// have, and what the relay adds to them.
inline constexpr std::size_t kMaxMessage = 81'920;
inline constexpr std::size_t kMaxUnproven = 4'096;  ///< the same before authentication, and the total of it
inline constexpr std::uint32_t kMaxStream = 0x7fff'ffff;

using StreamId = std::uint32_t;

enum class FrameType : std::uint8_t {
  hello = 1,
  challenge = 2,
  proof = 3,
  auth_ok = 4,
  auth_fail = 5,
  enroll = 6,
  enroll_ok = 7,
  enroll_fail = 8,
  rotate = 9,
  rotate_ok = 10,
  ping = 16,
  pong = 17,
  goaway = 18,
  window = 19,
  credit = 20,
  reset = 21,
  result_ack = 22,
  // 23 CONFIG and 24 CONFIG_ACK are reserved
  health = 25,
  deliver = 32,
  result = 33,
  data = 34,
};

inline constexpr std::uint8_t kFlagEnd =
    0x01;  ///< DELIVER, RESULT, DATA: the sender's last frame of the stream
inline constexpr std::uint8_t kFlagCritical = 0x80;  ///< a receiver that does not know the type must give up
inline constexpr std::uint8_t kFlagsKnown = kFlagEnd | kFlagCritical;

// 3. Authentication
inline constexpr std::size_t kSecretSize = 32;
inline constexpr std::size_t kNonceSize = 32;
inline constexpr std::size_t kMacSize = 32;
inline constexpr std::size_t kMaxPins = 4;  ///< of one relay
inline constexpr std::string_view kExporterLabel = "EXPORTER-postern-auth-v1";
inline constexpr std::string_view kTranscriptLabel = "postern-auth-v1";

/// A session ends a rotation or two; more ROTATE than this is an error.
inline constexpr int kRotationsMost = 3;

// 4. Streams
enum class ResetCode : std::uint32_t {
  cancelled = 1,       ///< the relay no longer wants the answer
  refused = 2,         ///< the agent has not started it and will not: safe to send again
  bad_head = 3,        ///< the head could not be read; nothing was started
  internal_error = 4,  ///< the agent failed in the middle
};

// 5. Flow control
inline constexpr std::uint64_t kInitialStreamWindow = 64 * 1024;
inline constexpr std::uint64_t kInitialSessionWindow = 1024 * 1024;

// 6. Life and the end
inline constexpr std::uint32_t kCapabilityMoving = 1U << 1;

// 7. Results that outlive their stream
inline constexpr std::uint32_t kCapabilityJournal = 1U << 0;
inline constexpr std::size_t kResultAckSize = 20;  ///< delivery id 16 + attempt 4
inline constexpr std::size_t kResultAcksMost = 200;

// 8. Several sessions of one agent
inline constexpr std::uint32_t kSessionsMost = 4;  ///< of one instance; connection_index is below it
inline constexpr std::size_t kInstancesMost = 8;   ///< of an agent that is enrolled for replicas
inline constexpr std::uint32_t kCapabilityProbe = 1U << 2;

}  // namespace postern::tunnel
