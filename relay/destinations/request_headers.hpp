#pragma once
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"
#include "relay/model.hpp"

/// What of the original request is sent on, and what the relay adds. Pure.
namespace postern::relay {

struct OutboundRequest {
  const Event& event;
  DeliveryId delivery_id;
  unsigned attempt = 1;              ///< number of this try, as Postern-Attempt says it
  std::string_view signing_secret;   ///< "whsec_…"; empty: not signed
  Time now;                          ///< of this attempt: the webhook-timestamp
  const Payload* payload = nullptr;  ///< what is sent and signed in place of the event's body; null: that
};

/// The headers of an attempt, without Host and Content-Length: whoever writes the request makes these.
///
/// Kept, in order and case: every end-to-end header of the original. Left out:
///  - hop-by-hop headers (RFC 9110 section 7.6.1): Connection and what it names, Keep-Alive, Proxy-*, TE,
///  Trailer,
///    Transfer-Encoding, Upgrade; and Expect, which is answered hop by hop;
///  - Cookie: nothing set by one host belongs to another;
///  - Postern-*: those words are the relay's, so an app can believe them;
///  - webhook-id, webhook-timestamp and webhook-signature when the relay signs: ours take their place.
///  Without a
///    signing secret a Standard Webhooks provider's own stay, and still verify with that provider's secret;
///  - traceparent and tracestate when the former is repeated or malformed.
///  - when a transform made the body: what describes the original one (Content-Type, Content-Encoding and
///  digests), and every header the transform gives.
/// Authorization is the provider's word to the app, end to end, and stays, unless it carries a key of this
/// relay (somebody's REST client pointed at an ingest URL).
///
/// Added at the end: the transform's headers; webhook-id (the event's id: the same over retries, replays and
/// destinations), webhook-timestamp and webhook-signature when there is a secret (Standard Webhooks 1.0.0,
/// v1); Postern-Event-Id, Postern-Delivery-Id, Postern-Attempt; and traceparent when none was kept (trace id
/// from the event, parent id from the delivery, sampled).
///
/// `invalid_signing_secret` when the secret is not "whsec_" and base64.
Result<http::Headers> build_request_headers(const OutboundRequest& request);

/// The target of an attempt: that of the destination's URL, to which the original's query is appended byte
/// for byte (after '?', or after '&' when the URL has a query of its own). The original's path is the ingest
/// URL and stays behind. Bytes that may not stand in a request line are percent-encoded; strict ingest lets
/// none through.
std::string outbound_target(std::string_view url_target, std::string_view original_query);

/// Whether W3C Trace Context (section 3.2.2) lets it be passed on.
bool is_valid_traceparent(std::string_view value);

}  // namespace postern::relay
