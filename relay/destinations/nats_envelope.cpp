#include "relay/destinations/nats_envelope.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/bytes.hpp"
#include "relay/destinations/request_headers.hpp"
#include "relay/notify/domain_event.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepth = 64;

json::value text_or_null(std::string_view text) {
  return text.empty() || !is_utf8(text) ? json::value(nullptr) : json::value(text);
}

std::string_view provider_of(const EnvelopeInput& input) {
  return input.source == nullptr ? std::string_view() : std::string_view(input.source->provider);
}
std::string_view source_of(const EnvelopeInput& input) {
  return input.source == nullptr ? std::string_view() : std::string_view(input.source->name);
}

/// `body` is null when the body is not JSON.
std::optional<Time> occurred_at(const EnvelopeInput& input, const json::value* body) {
  if (provider_of(input) == "stripe" && body != nullptr) {
    const auto created = json_read::integer(*body, "/created");
    // Beyond the year 9999 it is no time of day any more.
    if (created && *created > 0 && *created < 253'402'300'800) return from_micros(*created * 1'000'000);
  }
  if (provider_of(input) != "shopify") return std::nullopt;
  const std::string* at = http::find_header(input.event.headers, "X-Shopify-Triggered-At");
  return at == nullptr ? std::nullopt : from_rfc3339(*at);
}

json::value time_or_null(std::optional<Time> time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::value content_type(const Event& event) {
  const std::string* type = http::find_header(event.headers, "Content-Type");
  return type == nullptr ? json::value(nullptr) : text_or_null(*type);
}

json::object head_of(const EnvelopeInput& input, const json::value* body) {
  const Event& event = input.event;
  const auto& replay_of = input.delivery.replay_of;
  return {{"version", 1},
          {"event_id", event.id.to_string()},
          {"correlation_id", correlation_id(event)},
          {"dedupe_id", text_or_null(event.dedupe_key)},
          {"delivery_id", input.delivery.id.to_string()},
          {"replay_of", replay_of ? json::value(replay_of->to_string()) : json::value(nullptr)},
          {"workspace", text_or_null(input.workspace)},
          {"source", text_or_null(source_of(input))},
          {"provider", text_or_null(provider_of(input))},
          {"type", text_or_null(event.type)},
          {"domain_type", text_or_null(input.domain_type)},
          {"verified", event.verified},
          {"received_at", to_rfc3339(event.received_at)},
          {"occurred_at", time_or_null(occurred_at(input, body))},
          {"content_type", content_type(event)},
          {"payload_encoding", body == nullptr ? "base64" : "json"}};
}

json::parse_options options() {
  json::parse_options options;
  options.max_depth = kDepth;
  return options;
}

std::string header_value(std::string_view text) {
  std::string value(text);
  std::ranges::replace_if(value, [](char c) { return c < ' ' || c >= '\x7f'; }, '?');
  return value;
}

void add(http::Headers& headers, std::string_view name, std::string_view value) {
  if (!value.empty()) headers.push_back({std::string(name), header_value(value)});
}

}  // namespace

// The body is set in as it came, not written anew from what was parsed.
std::string nats_envelope(const EnvelopeInput& input) {
  const std::string& body = input.event.body;
  json::monotonic_resource memory;
  boost::system::error_code error;
  const json::value parsed = json::parse(body, error, &memory, options());
  std::string out = json::serialize(head_of(input, error ? nullptr : &parsed));
  out.back() = ',';
  out += "\"payload\":";
  if (error)
    out.append("\"").append(base64_encode(body)).append("\"");
  else
    out += body;
  out += '}';
  return out;
}

http::Headers nats_headers(const EnvelopeInput& input) {
  http::Headers headers;
  add(headers, "Nats-Msg-Id", input.delivery.id.to_string());
  add(headers, "Content-Type", "application/json");
  add(headers, "Postern-Event-Id", input.event.id.to_string());
  add(headers, "Postern-Delivery-Id", input.delivery.id.to_string());
  add(headers, "Postern-Correlation-Id", correlation_id(input.event));
  add(headers, "Postern-Workspace", input.workspace);
  add(headers, "Postern-Source", source_of(input));
  add(headers, "Postern-Provider", provider_of(input));
  add(headers, "Postern-Type", input.event.type);
  add(headers, "Postern-Domain-Type", input.domain_type);
  const std::string* trace = http::find_header(input.event.headers, "traceparent");
  if (trace != nullptr && http::count_header(input.event.headers, "traceparent") == 1 &&
      is_valid_traceparent(*trace)) {
    add(headers, "traceparent", *trace);
  }
  return headers;
}

// "NATS/1.0", a line a header, an empty line.
std::size_t nats_payload_bytes(const NatsMessage& message) {
  std::size_t bytes = message.data.size() + 12;
  for (const http::Header& header : message.headers) bytes += header.name.size() + header.value.size() + 4;
  return bytes;
}

}  // namespace postern::relay
