#pragma once
#include <string_view>

#include "base/http/message.hpp"
#include "relay/ingest/ingest_limits.hpp"
#include "relay/providers/provider.hpp"
#include "relay/providers/verifier.hpp"
#include "relay/store/event_log.hpp"

/// What senders are told. Success is {"event_id":"evt_…","duplicate":false}; everything else is
/// {"code":"…","message":"…"}, and for a bad timestamp also "skew_seconds".
namespace postern::relay {

http::Response answer_stored(const Provider& provider, const Appended& appended);
/// 404, the same for a source that is not there and one that is switched off.
http::Response answer_not_found();
http::Response answer_method_not_allowed();
http::Response answer_unauthorized(const SignatureVerdict& verdict);
/// 429 with Retry-After, and the limit in the words of X-RateLimit-* and of the IETF draft
/// (draft-ietf-httpapi-ratelimit-headers): docs/limits.md.
http::Response answer_limited(const LimitRefusal& refusal);
/// 503: the sender keeps the event and comes back.
http::Response answer_unavailable(std::string_view code, std::string_view message,
                                  unsigned retry_after_seconds);

/// 503 while events are refused because of the load; the number of this refusal spreads when senders come
/// back.
http::Response answer_overloaded(unsigned number);

}  // namespace postern::relay
