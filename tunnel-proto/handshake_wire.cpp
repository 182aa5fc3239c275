#include "tunnel-proto/handshake_wire.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {
namespace {

constexpr std::string_view kBinding = "tls-exporter";
constexpr std::size_t kMaxSoftware = 128;
constexpr std::size_t kMaxFacts = 2048;
constexpr std::size_t kMaxCode = 64;
constexpr std::size_t kMaxText = 1024;
constexpr std::uint64_t kSmallestWindow = kMaxData;
constexpr std::uint64_t kLargestWindow = 1ULL << 30;
constexpr std::uint64_t kLongestWaitMs = 24ULL * 3600 * 1000;

std::optional<Uuid> to_uuid(std::string_view bytes) {
  const auto id = AgentId::from_bytes(bytes);
  return id ? std::optional(id->uuid) : std::nullopt;
}

bool window_fits(std::uint64_t window) {
  return window >= kSmallestWindow && window <= kLargestWindow;
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail("protocol", std::string(what) + " is malformed");
}

bool hello_fits(const wire::Hello& message) {
  return (message.kind() == 1 || message.kind() == 2) && message.nonce().size() == kNonceSize &&
         message.binding() == kBinding && window_fits(message.stream_window()) &&
         window_fits(message.session_window()) && message.software().size() <= kMaxSoftware &&
         message.connection_index() < kSessionsMost;
}

}  // namespace

Result<std::optional<Frame>> next_handshake_frame(FrameReader& reader, std::string_view& bytes,
                                                  std::size_t& received) {
  const std::size_t offered = std::min(bytes.size(), kMaxUnproven - received);
  if (offered == 0 && !bytes.empty()) return fail("protocol", "too many bytes before authentication");
  std::string_view allowed = bytes.substr(0, offered);
  const auto item = reader.next(allowed);
  const std::size_t taken = offered - allowed.size();
  received += taken;
  bytes.remove_prefix(taken);
  if (!item) return std::unexpected(item.error());
  if (item->what == FrameReader::What::need_more) {
    if (bytes.empty()) return std::nullopt;
    return fail("protocol", "too many bytes before authentication");
  }
  if (item->what != FrameReader::What::frame || item->header.stream != 0 || item->header.flags != 0) {
    return fail("protocol", "a frame that has no place before authentication");
  }
  return Frame{item->header, item->bytes};
}

std::string encode_hello(const Hello& hello, std::string_view nonce) {
  wire::Hello message;
  message.set_min_version(kVersion);
  message.set_max_version(kVersion);
  message.set_kind(static_cast<std::uint32_t>(hello.kind));
  message.set_id(std::string(id_view(hello.id)));
  message.set_instance_id(std::string(id_view(hello.instance_id)));
  message.set_connection_index(hello.connection_index);
  message.set_generation(hello.generation);
  message.set_nonce(std::string(nonce));
  message.set_binding(std::string(kBinding));
  message.set_stream_window(hello.stream_window);
  message.set_session_window(hello.session_window);
  message.set_software(hello.software.substr(0, kMaxSoftware));
  message.set_capabilities(hello.capabilities);
  message.set_key_epoch(hello.key_epoch);
  if (hello.previous_instance_id != Uuid{})
    message.set_previous_instance_id(std::string(id_view(hello.previous_instance_id)));
  return message.SerializeAsString();
}

Result<Hello> decode_hello(std::string_view payload) {
  wire::Hello message;
  if (!parse_message(message, payload)) return malformed("HELLO");
  if (message.min_version() > kVersion || message.max_version() < kVersion) {
    return fail("version",
                "the relay speaks version 1 of the tunnel protocol, which the agent does not offer");
  }
  const auto id = to_uuid(message.id());
  const auto instance = to_uuid(message.instance_id());
  const auto previous =
      message.previous_instance_id().empty() ? Uuid{} : to_uuid(message.previous_instance_id());
  if (!id || !instance || !previous || !hello_fits(message)) return malformed("HELLO");
  return Hello{static_cast<Identity>(message.kind()),
               *id,
               *instance,
               message.connection_index(),
               message.generation(),
               message.stream_window(),
               message.session_window(),
               message.software(),
               message.capabilities(),
               message.key_epoch(),
               *previous};
}

std::string encode_admission(const Admission& admission) {
  wire::AuthParams params;
  params.set_agent_id(std::string(admission.agent_id.bytes()));
  params.set_session_id(std::string(id_view(admission.session_id)));
  params.set_generation(admission.generation);
  params.set_stream_window(admission.stream_window);
  params.set_session_window(admission.session_window);
  for (const std::string& pin : admission.relay_pins) params.add_relay_pins(pin);
  return params.SerializeAsString();
}

Result<Admission> decode_admission(std::string_view bytes) {
  wire::AuthParams params;
  if (!parse_message(params, bytes)) return malformed("AUTH_OK");
  const auto agent_id = AgentId::from_bytes(params.agent_id());
  const auto session_id = to_uuid(params.session_id());
  if (!agent_id || !session_id || !window_fits(params.stream_window()) ||
      !window_fits(params.session_window())) {
    return malformed("AUTH_OK");
  }
  Admission admission{*agent_id, *session_id, params.generation(), params.stream_window(),
                      params.session_window()};
  if (params.relay_pins_size() > static_cast<int>(kMaxPins)) return malformed("AUTH_OK");
  for (const std::string& pin : params.relay_pins()) {
    if (pin.size() != kMacSize) return malformed("AUTH_OK");
    admission.relay_pins.push_back(pin);
  }
  return admission;
}

std::string encode_refusal(const Refusal& refusal) {
  wire::Refusal message;
  message.set_code(refusal.code);
  message.set_message(refusal.message);
  message.set_retryable(refusal.retryable);
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(refusal.retry_after).count();
  message.set_retry_after_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)));
  return message.SerializeAsString();
}

Refusal decode_refusal(std::string_view payload) {
  wire::Refusal message;
  if (!parse_message(message, payload) || message.code().empty() || message.code().size() > kMaxCode) {
    return {"auth_failed", "the relay refused, and did not say why", true, Duration(0)};
  }
  const std::uint64_t wait = std::min(message.retry_after_ms(), kLongestWaitMs);
  return {message.code(), message.message().substr(0, kMaxText), message.retryable(),
          std::chrono::milliseconds(static_cast<std::int64_t>(wait))};
}

std::string encode_enroll(const EnrollRequest& request) {
  wire::Enroll message;
  message.set_stored_key(request.verifiers.stored_key);
  message.set_server_key(request.verifiers.server_key);
  message.set_facts_json(request.facts_json);
  return make_frame(FrameType::enroll, 0, message.SerializeAsString());
}

Result<EnrollRequest> decode_enroll(std::string_view payload) {
  wire::Enroll message;
  if (!parse_message(message, payload)) return malformed("ENROLL");
  if (message.stored_key().size() != kMacSize || message.server_key().size() != kMacSize)
    return malformed("ENROLL");
  if (message.facts_json().size() > kMaxFacts) return fail("protocol", "ENROLL has too many facts");
  return EnrollRequest{{message.stored_key(), message.server_key()}, message.facts_json()};
}

std::string encode_enroll_ok(AgentId agent_id) {
  wire::EnrollOk message;
  message.set_agent_id(std::string(agent_id.bytes()));
  return make_frame(FrameType::enroll_ok, 0, message.SerializeAsString());
}

Result<AgentId> decode_enroll_ok(std::string_view payload) {
  wire::EnrollOk message;
  if (!parse_message(message, payload)) return malformed("ENROLL_OK");
  const auto id = AgentId::from_bytes(message.agent_id());
  if (!id) return malformed("ENROLL_OK");
  return *id;
}

std::string encode_enroll_fail(const Refusal& refusal) {
  return make_frame(FrameType::enroll_fail, 0, encode_refusal(refusal));
}

Refusal decode_enroll_fail(std::string_view payload) {
  return decode_refusal(payload);
}

}  // namespace postern::tunnel
