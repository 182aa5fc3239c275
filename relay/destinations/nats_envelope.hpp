#pragma once
#include <string>
#include <string_view>

#include "relay/bus/nats_message.hpp"
#include "relay/model.hpp"

/// What is published of an event: one JSON object, and headers for who does not want to read it. Pure.
namespace postern::relay {

struct EnvelopeInput {
  const Event& event;
  const Source* source = nullptr;  ///< null when it has been deleted
  const Delivery& delivery;
  std::string_view workspace;    ///< its name
  std::string_view domain_type;  ///< empty: the domain map has none
};

/// An object with version (1), event_id, correlation_id, dedupe_id, delivery_id, replay_of, workspace,
/// source, provider, type, domain_type, verified, received_at, occurred_at, content_type, payload_encoding,
/// payload.
///
/// What is not known is null. A body that is JSON, at most 64 levels deep, is the payload byte for byte, so
/// that numbers keep every digit (payload_encoding "json"); of any other it is a string with its base64
/// ("base64"). `occurred_at` is when the provider says that it happened (Stripe's `created`, Shopify's
/// X-Shopify-Triggered-At). Nothing in it changes between the tries of one delivery.
std::string nats_envelope(const EnvelopeInput& input);

/// Nats-Msg-Id, by which JetStream drops a repeat within the stream's window, is the delivery's id: all tries
/// of one delivery are one message, and a replay, which is a delivery of its own, is published again. Beside
/// it Content-Type, Postern-Event-Id, Postern-Delivery-Id, Postern-Correlation-Id; Postern-Workspace,
/// -Source, -Provider, -Type, -Domain-Type where known; and a valid traceparent of the request. Values are
/// visible ASCII and blanks: all else becomes '?'.
http::Headers nats_headers(const EnvelopeInput& input);

/// What the server counts against its max_payload.
std::size_t nats_payload_bytes(const NatsMessage& message);

}  // namespace postern::relay
