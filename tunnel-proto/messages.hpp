#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"
#include "base/id.hpp"
#include "tunnel-proto/wire.hpp"

/// The heads of a stream as both programs see them; tunnel.proto is how they travel. Strings are raw bytes.
namespace postern::tunnel {

/// DELIVER: the request an app behind the agent is to get. Its body follows in DATA frames.
struct DeliverHead {
  DeliveryId delivery_id;
  std::uint32_t attempt = 1;   ///< rises with every outcome that the relay has committed
  std::uint32_t answered = 0;  ///< the last attempt of which the app's answer is committed; 0: none
  Duration deadline{};         ///< relative to arrival, to the millisecond: the two ends compare no clocks
  bool tls = false;            ///< https to the app
  /// As the agent's host sees it, or unix:/path; checked against the agent's allow-list, every time.
  std::string host;
  std::uint16_t port = 0;
  std::string method;
  std::string target;     ///< raw path and query
  http::Headers headers;  ///< order, case and repeats kept
  std::uint64_t body_size = 0;
  bool probe = false;  ///< asks the agent and no app: SPEC.md, section 8
};

enum class ResultOutcome : std::uint8_t {
  delivered = 1,   ///< the app answered; `status` says what
  not_sent = 2,    ///< not a byte of the request reached the app: safe to send again
  maybe_sent = 3,  ///< it broke after the first byte had been written
};

/// RESULT: what came of it. The answer's body follows in DATA frames.
struct ResultHead {
  ResultOutcome outcome = ResultOutcome::not_sent;
  std::string error_code;  ///< empty when the app answered; "not_allowed", "connect_failed", "timeout", …
  std::string error_message;
  int status = 0;
  http::Headers headers;
  bool truncated = false;  ///< the body was cut at the cap
  Duration connect{}, tls{}, first_byte{}, total{};
  bool from_journal = false;  ///< kept from an earlier stream: the app was not called for this one
};

/// RESULT_ACK: the outcome of this attempt, and of all before it, is committed at the relay.
struct ResultAck {
  DeliveryId delivery_id;
  std::uint32_t attempt = 0;
  bool operator==(const ResultAck&) const = default;
};
/// At most kResultAcksMost.
std::string encode(std::span<const ResultAck> acks);
/// `protocol` when it is empty, too long or cut.
Result<std::vector<ResultAck>> decode_result_acks(std::string_view bytes);

/// The sender wants the session to end. No new streams start; those that run may finish.
struct GoAway {
  std::string code;  ///< "shutdown", "replaced", "revoked", "drain", or the code of an error
  std::string message;
  Duration reconnect_after{};              ///< relay to agent: when to come back, plus
  Duration spread{};                       ///< a random part of this
  std::uint32_t last_stream = kMaxStream;  ///< set by the session: streams above it were never started
  bool moving = false;  ///< not yet: the peer is to open another session first. Set by the session
};

/// Heads must fit in one frame (kMaxMessage): `too_large` otherwise. The encoder changes nothing.
Result<std::string> encode(const DeliverHead& head,
                           std::uint64_t body_size);  ///< this size counts, not the head's
inline Result<std::string> encode(const DeliverHead& head) {
  return encode(head, head.body_size);
}
Result<std::string> encode(const ResultHead& head);

/// `bad_head` with what is wrong: malformed, an id of another size, port 0, an empty host or method, a status
/// outside 100..999, a missing outcome, more than 256 headers. A header's bytes are checked by whoever writes
/// HTTP.
Result<DeliverHead> decode_deliver(std::string_view bytes);
Result<ResultHead> decode_result(std::string_view bytes);

std::string encode(const GoAway& goaway);  ///< texts are cut to 1 KiB
/// `protocol` when malformed.
Result<GoAway> decode_goaway(std::string_view bytes);

}  // namespace postern::tunnel
