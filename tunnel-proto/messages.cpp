#include "tunnel-proto/messages.hpp"

#include <fmt/format.h>
#include <google/protobuf/arena.h>

#include <array>
#include <limits>

#include "base/bytes.hpp"
#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/quiet_protobuf.hpp"
#include "tunnel-proto/tunnel.pb.h"
#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {
namespace {

namespace chr = std::chrono;

constexpr int kMaxHeaders = 256;
constexpr std::size_t kMaxText = 1024;
constexpr std::uint64_t kLongest =
    7ULL * 24 * 3600 * 1'000'000;  // a week in microseconds: keeps sums from wrapping

std::unexpected<Error> bad_head(std::string_view what) {
  return fail("bad_head", fmt::format("a head {}", what));
}

/// A varint, and a field of bytes (protobuf encoding guide: wire types 0 and 2).
void append_varint(std::string& out, std::uint64_t value) {
  for (; value > 0x7f; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value > 0x7f; value >>= 7) ++size;
  return size;
}
void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}
std::size_t bytes_size(std::string_view bytes) {
  return 1 + varint_size(bytes.size()) + bytes.size();  // the field numbers here are below 16
}

/// Written by hand: as messages they would cost three allocations each, and they are most of a head. Fields
/// may stand in any order, so they follow what protobuf has written of the rest.
void append_headers(std::string& out, int field, const http::Headers& headers) {
  for (const http::Header& header : headers) {
    append_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
    append_varint(out, bytes_size(header.name) + bytes_size(header.value));
    append_bytes(out, wire::Header::kNameFieldNumber, header.name);
    append_bytes(out, wire::Header::kValueFieldNumber, header.value);
  }
}

template <class Message>
Result<std::string> serialize(const Message& message, const http::Headers& headers) {
  std::size_t size = message.ByteSizeLong();
  for (const http::Header& header : headers) size += header.name.size() + header.value.size() + 10;
  std::string out;
  out.reserve(size);
  message.AppendToString(&out);
  append_headers(out, Message::kHeadersFieldNumber, headers);
  if (out.size() <= kMaxMessage) return out;
  return fail("too_large", fmt::format("a head of {} bytes; {} are allowed", out.size(), kMaxMessage));
}

/// Where a head's many small messages are parsed without an allocation each; only their texts are moved out.
class Scratch {
 public:
  Scratch() : arena_(options(first_)) {}
  template <class Message>
  Message& make() {
    return *google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  static google::protobuf::ArenaOptions options(std::array<char, 4096>& first) {
    google::protobuf::ArenaOptions options;
    options.initial_block = first.data();
    options.initial_block_size = first.size();
    return options;
  }
  alignas(std::max_align_t) std::array<char, 4096> first_;
  google::protobuf::Arena arena_;
};

template <class Message>
bool parse(Message& message, std::string_view bytes) {
  silence_library();
  return bytes.size() <= kMaxMessage && message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::uint64_t micros(Duration d) {
  return d.count() < 0 ? 0 : static_cast<std::uint64_t>(d.count());
}
Duration from_micros_u64(std::uint64_t us) {
  return Duration(static_cast<std::int64_t>(std::min(us, kLongest)));
}

template <class Message>
void read_headers(Message& message, http::Headers& headers) {
  headers.reserve(static_cast<std::size_t>(message.headers_size()));
  for (auto& header : *message.mutable_headers()) {
    headers.push_back({std::move(*header.mutable_name()), std::move(*header.mutable_value())});
  }
}

Duration from_ms(std::uint64_t ms) {
  return from_micros_u64(std::min(ms, kLongest / 1000) * 1000);
}

/// protobuf wants UTF-8 in a string field, and logs want it short.
std::string text(const std::string& bytes) {
  return is_utf8(bytes) ? bytes.substr(0, kMaxText) : "unreadable";
}

/// Rounded up: a deadline of half a millisecond is not none.
std::uint64_t deadline_ms(Duration deadline) {
  return (micros(deadline) + 999) / 1000;
}

}  // namespace

Result<std::string> encode(const DeliverHead& head, std::uint64_t body_size) {
  wire::Deliver message;
  message.set_delivery_id(std::string(head.delivery_id.bytes()));
  message.set_attempt(head.attempt);
  message.set_answered(head.answered);
  message.set_deadline_ms(deadline_ms(head.deadline));
  message.set_tls(head.tls);
  message.set_probe(head.probe);
  message.set_host(head.host);
  message.set_port(head.port);
  message.set_method(head.method);
  message.set_target(head.target);
  message.set_body_size(body_size);
  return serialize(message, head.headers);
}

Result<DeliverHead> decode_deliver(std::string_view bytes) {
  Scratch scratch;
  auto& message = scratch.make<wire::Deliver>();
  if (!parse(message, bytes)) return bad_head("is malformed");
  const auto id = DeliveryId::from_bytes(message.delivery_id());
  if (!id) return bad_head("has no delivery id");
  if (message.host().empty()) return bad_head("has no host");
  if (message.port() == 0 || message.port() > std::numeric_limits<std::uint16_t>::max())
    return bad_head("has no port");
  if (message.method().empty()) return bad_head("has no method");
  if (message.headers_size() > kMaxHeaders) return bad_head("has too many headers");
  DeliverHead head;
  head.delivery_id = *id;
  head.attempt = message.attempt();
  head.answered = message.answered();
  head.deadline = from_ms(message.deadline_ms());
  head.tls = message.tls();
  head.probe = message.probe();
  head.host = std::move(*message.mutable_host());
  head.port = static_cast<std::uint16_t>(message.port());
  head.method = std::move(*message.mutable_method());
  head.target = std::move(*message.mutable_target());
  read_headers(message, head.headers);
  head.body_size = message.body_size();
  return head;
}

Result<std::string> encode(const ResultHead& head) {
  wire::ResultHead message;
  message.set_outcome(static_cast<std::uint32_t>(head.outcome));
  message.set_error_code(text(head.error_code));
  message.set_error_message(head.error_message);
  message.set_status(static_cast<std::uint32_t>(std::max(head.status, 0)));
  message.set_truncated(head.truncated);
  message.set_connect_us(micros(head.connect));
  message.set_tls_us(micros(head.tls));
  message.set_first_byte_us(micros(head.first_byte));
  message.set_total_us(micros(head.total));
  message.set_from_journal(head.from_journal);
  return serialize(message, head.headers);
}

Result<ResultHead> decode_result(std::string_view bytes) {
  Scratch scratch;
  auto& message = scratch.make<wire::ResultHead>();
  if (!parse(message, bytes)) return bad_head("is malformed");
  if (message.outcome() < 1 || message.outcome() > 3) return bad_head("has no outcome");
  const bool answered = message.error_code().empty();
  const bool status_fits = message.status() >= 100 && message.status() <= 999;
  if (answered ? !status_fits : (message.status() != 0 && !status_fits))
    return bad_head("has a status out of range");
  if (message.headers_size() > kMaxHeaders) return bad_head("has too many headers");
  ResultHead head;
  head.outcome = static_cast<ResultOutcome>(message.outcome());
  head.error_code = std::move(*message.mutable_error_code());
  head.error_message = std::move(*message.mutable_error_message());
  head.status = static_cast<int>(message.status());
  read_headers(message, head.headers);
  head.truncated = message.truncated();
  head.connect = from_micros_u64(message.connect_us());
  head.tls = from_micros_u64(message.tls_us());
  head.first_byte = from_micros_u64(message.first_byte_us());
  head.total = from_micros_u64(message.total_us());
  head.from_journal = message.from_journal();
  return head;
}

std::string encode(std::span<const ResultAck> acks) {
  std::string out;
  out.reserve(acks.size() * kResultAckSize);
  for (const ResultAck& ack : acks) {
    out += ack.delivery_id.bytes();
    append_u32(out, ack.attempt);
  }
  return out;
}

Result<std::vector<ResultAck>> decode_result_acks(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % kResultAckSize != 0 || bytes.size() > kResultAcksMost * kResultAckSize)
    return fail("protocol", "RESULT_ACK has a wrong size");
  std::vector<ResultAck> acks;
  for (; !bytes.empty(); bytes.remove_prefix(kResultAckSize)) {
    const auto id = DeliveryId::from_bytes(bytes.substr(0, 16));
    if (!id) return fail("protocol", "RESULT_ACK names no delivery");
    acks.push_back({*id, read_u32(bytes.substr(16))});
  }
  return acks;
}

std::string encode(const GoAway& goaway) {
  wire::GoAway message;
  message.set_code(text(goaway.code));
  message.set_message(text(goaway.message));
  message.set_last_stream(goaway.last_stream);
  message.set_reconnect_after_ms(deadline_ms(goaway.reconnect_after));
  message.set_spread_ms(deadline_ms(goaway.spread));
  message.set_phase(goaway.moving ? 1 : 0);
  return message.SerializeAsString();
}

Result<GoAway> decode_goaway(std::string_view bytes) {
  wire::GoAway message;
  if (!parse(message, bytes)) return fail("protocol", "GOAWAY is malformed");
  GoAway goaway;
  goaway.code = message.code().empty() ? "unknown" : text(message.code());
  goaway.message = text(message.message());
  goaway.last_stream = message.last_stream();
  goaway.reconnect_after = from_ms(message.reconnect_after_ms());
  goaway.spread = from_ms(message.spread_ms());
  goaway.moving = message.phase() == 1;
  return goaway;
}

}  // namespace postern::tunnel
