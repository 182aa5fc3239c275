#include "tunnel-proto/messages.hpp"

#include <fmt/format.h>

#include <limits>

#include "base/bytes.hpp"
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

template <class Message>
Result<std::string> serialize(const Message& message) {
  if (message.ByteSizeLong() > kMaxMessage) {
    return fail("too_large",
                fmt::format("a head of {} bytes; {} are allowed", message.ByteSizeLong(), kMaxMessage));
  }
  return message.SerializeAsString();
}

template <class Message>
bool parse(Message& message, std::string_view bytes) {
  return bytes.size() <= kMaxMessage && message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::uint64_t micros(Duration d) {
  return d.count() < 0 ? 0 : static_cast<std::uint64_t>(d.count());
}
Duration from_micros_u64(std::uint64_t us) {
  return Duration(static_cast<std::int64_t>(std::min(us, kLongest)));
}

template <class Message>
void write_headers(Message& message, const http::Headers& headers) {
  message.mutable_headers()->Reserve(static_cast<int>(headers.size()));
  for (const http::Header& header : headers) {
    auto* out = message.add_headers();
    out->set_name(header.name);
    out->set_value(header.value);
  }
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

Result<std::string> encode(const DeliverHead& head) {
  wire::Deliver message;
  message.set_delivery_id(std::string(head.delivery_id.bytes()));
  message.set_attempt(head.attempt);
  message.set_force(head.force);
  message.set_deadline_ms(deadline_ms(head.deadline));
  message.set_tls(head.tls);
  message.set_host(head.host);
  message.set_port(head.port);
  message.set_method(head.method);
  message.set_target(head.target);
  write_headers(message, head.headers);
  message.set_body_size(head.body_size);
  return serialize(message);
}

Result<DeliverHead> decode_deliver(std::string_view bytes) {
  wire::Deliver message;
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
  head.force = message.force();
  head.deadline = from_ms(message.deadline_ms());
  head.tls = message.tls();
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
  write_headers(message, head.headers);
  message.set_truncated(head.truncated);
  message.set_connect_us(micros(head.connect));
  message.set_tls_us(micros(head.tls));
  message.set_first_byte_us(micros(head.first_byte));
  message.set_total_us(micros(head.total));
  return serialize(message);
}

Result<ResultHead> decode_result(std::string_view bytes) {
  wire::ResultHead message;
  if (!parse(message, bytes)) return bad_head("is malformed");
  if (message.outcome() < 1 || message.outcome() > 4) return bad_head("has no outcome");
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
  return head;
}

std::string encode(const GoAway& goaway) {
  wire::GoAway message;
  message.set_code(text(goaway.code));
  message.set_message(text(goaway.message));
  message.set_last_stream(goaway.last_stream);
  message.set_reconnect_after_ms(deadline_ms(goaway.reconnect_after));
  message.set_spread_ms(deadline_ms(goaway.spread));
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
  return goaway;
}

}  // namespace postern::tunnel
