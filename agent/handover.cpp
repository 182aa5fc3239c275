#include "agent/handover.hpp"

#include <boost/json.hpp>

#include "tunnel-proto/big_endian.hpp"

namespace postern::agent {
namespace {

namespace json = boost::json;
using tunnel::append_u32;
using tunnel::read_u32;

constexpr int kFormat = 1;
constexpr std::size_t kFrameHead = 5;
constexpr std::size_t kIdSize = 16;
constexpr std::size_t kAckSize = kIdSize + 4;
constexpr std::size_t kOutcomeHead = kIdSize + 8;

std::unexpected<Error> malformed(std::string_view what) {
  return fail("malformed", fmt::format("The other process sent a malformed {}.", what));
}

Uuid uuid_of(const json::object& object, std::string_view key) {
  const auto uuid = uuid_from_text(std::string_view(object.at(key).as_string()));
  if (!uuid) throw std::runtime_error("malformed");
  return *uuid;
}

}  // namespace

std::string encode_frame(HandoverType type, std::string_view payload) {
  std::string frame(1, static_cast<char>(type));
  append_u32(frame, static_cast<std::uint32_t>(payload.size()));
  return frame.append(payload);
}

std::string encode_greeting(const Greeting& greeting) {
  return json::serialize(json::object{{"format", kFormat},
                                      {"instance", uuid_to_text(greeting.instance)},
                                      {"previous_instance", uuid_to_text(greeting.previous_instance)},
                                      {"generation", greeting.generation},
                                      {"pid", greeting.pid}});
}

Result<Greeting> decode_greeting(std::string_view payload) try {
  const json::value parsed = json::parse(payload);
  const json::object& object = parsed.as_object();
  if (object.at("format").to_number<int>() != kFormat)
    return fail("malformed", "The two versions cannot follow each other without a restart.");
  return Greeting{uuid_of(object, "instance"), uuid_of(object, "previous_instance"),
                  object.at("generation").to_number<std::uint64_t>(), object.at("pid").to_number<int>()};
} catch (const std::exception&) {
  return malformed("greeting");
}

std::string encode_ids(std::span<const DeliveryId> ids) {
  std::string payload;
  for (const DeliveryId& id : ids) payload += id.bytes();
  return payload;
}

Result<std::vector<DeliveryId>> decode_ids(std::string_view payload) {
  std::vector<DeliveryId> ids;
  for (; payload.size() >= kIdSize; payload.remove_prefix(kIdSize)) {
    const auto id = DeliveryId::from_bytes(payload.substr(0, kIdSize));
    if (!id) return malformed("delivery id");
    ids.push_back(*id);
  }
  if (!payload.empty()) return malformed("list of deliveries");
  return ids;
}

std::optional<std::string> encode_outcome(DeliveryId id, const Outcome& outcome) {
  const auto head = tunnel::encode(outcome.head);
  if (!head || kOutcomeHead + head->size() + outcome.body.size() > kHandoverPayloadMost) return std::nullopt;
  std::string payload(id.bytes());
  append_u32(payload, outcome.attempt);
  append_u32(payload, static_cast<std::uint32_t>(head->size()));
  return payload.append(*head).append(outcome.body);
}

Result<ReportedOutcome> decode_outcome(std::string_view payload) {
  if (payload.size() < kOutcomeHead) return malformed("outcome");
  const auto id = DeliveryId::from_bytes(payload.substr(0, kIdSize));
  const std::size_t head_size = read_u32(payload.substr(kIdSize + 4));
  const std::string_view rest = payload.substr(kOutcomeHead);
  if (!id || head_size > rest.size()) return malformed("outcome");
  auto head = tunnel::decode_result(rest.substr(0, head_size));
  if (!head) return malformed("outcome");
  return ReportedOutcome(
      *id, Outcome{read_u32(payload.substr(kIdSize)), std::move(*head), std::string(rest.substr(head_size))});
}

std::string encode_acks(std::span<const tunnel::ResultAck> acks) {
  std::string payload;
  for (const tunnel::ResultAck& ack : acks) {
    payload += ack.delivery_id.bytes();
    append_u32(payload, ack.attempt);
  }
  return payload;
}

Result<std::vector<tunnel::ResultAck>> decode_acks(std::string_view payload) {
  std::vector<tunnel::ResultAck> acks;
  for (; payload.size() >= kAckSize; payload.remove_prefix(kAckSize)) {
    const auto id = DeliveryId::from_bytes(payload.substr(0, kIdSize));
    if (!id) return malformed("acknowledgement");
    acks.push_back({*id, read_u32(payload.substr(kIdSize))});
  }
  if (!payload.empty()) return malformed("acknowledgement");
  return acks;
}

std::string encode_generation(std::uint64_t generation) {
  std::string payload;
  tunnel::append_u64(payload, generation);
  return payload;
}

Result<std::uint64_t> decode_generation(std::string_view payload) {
  if (payload.size() != sizeof(std::uint64_t)) return malformed("generation");
  return tunnel::read_u64(payload);
}

Result<std::optional<HandoverFrame>> HandoverReader::next() {
  if (pending_.size() < kFrameHead) return std::nullopt;
  const std::size_t size = read_u32(std::string_view(pending_).substr(1));
  if (size > kHandoverPayloadMost) return malformed("frame");
  if (pending_.size() < kFrameHead + size) return std::nullopt;
  HandoverFrame frame{static_cast<HandoverType>(pending_[0]), pending_.substr(kFrameHead, size)};
  pending_.erase(0, kFrameHead + size);
  return frame;
}

}  // namespace postern::agent
