#pragma once
#include <algorithm>
#include <array>
#include <string_view>

/// Why a delivery was not sent, or may have been: every word that `error_code` of a RESULT can be, or that a
/// relay puts there for its agent. docs/agents.md shows the same table to people.
///
/// What was not sent never counts against a destination: it opens no breaker and uses up no attempt.
namespace postern::tunnel {

/// What is to become of a delivery that was not sent.
enum class NotSent {
  app,    ///< the app, or the agent's own rules, must change: waits until the agent says that it has
  never,  ///< this request can be sent at no time: it ends
  path,   ///< nobody's doing: comes again after a while
};

struct NotSentReason {
  std::string_view code;
  NotSent what;
};

inline constexpr auto kNotSentReasons = std::to_array<NotSentReason>({
    {"connect_failed", NotSent::app},         // nobody listens at the app's address
    {"connect_timeout", NotSent::app},        // nothing answers there
    {"dns_failed", NotSent::app},             // the app's name has no address
    {"address_refused", NotSent::app},        // its address may not be dialled
    {"tls_failed", NotSent::app},             // no TLS with the app, or a certificate that is not trusted
    {"tls_config", NotSent::app},             // the agent cannot read its trust anchors
    {"not_allowed", NotSent::app},            // not on the agent's allow-list
    {"tls_pin_mismatch", NotSent::app},       // the app holds another key than the allow-list names
    {"request_not_allowed", NotSent::never},  // its method or path is beyond the allow-list's limits
    {"body_too_large", NotSent::never},       // above the agent's body limit
    {"bad_request", NotSent::never},          // a head or a body that cannot be written as HTTP
    {"invalid_request", NotSent::never},
    {"too_large", NotSent::never},       // a head that fits in no frame
    {"agent_away", NotSent::path},       // no session; the delivery is parked until there is one
    {"agent_busy", NotSent::path},       // too many deliveries, or too many bytes, for the agent
    {"agent_refused", NotSent::path},    // the agent did not start it
    {"no_credit", NotSent::path},        // the agent granted no room before the deadline
    {"shutting_down", NotSent::path},    // the agent stops
    {"connection_lost", NotSent::path},  // the session ended first
    {"cancelled", NotSent::path},        // given up before the app was called
    {"timeout", NotSent::path},          // the deadline passed before the app could be called
    {"local_resources", NotSent::path},  // the agent's host had no descriptor, port or look-up to spare
    {"internal_error", NotSent::path},   // a fault of the agent
});

/// The app may have heard of it, and nobody knows what came of it.
inline constexpr auto kMaybeSentReasons = std::to_array<std::string_view>({
    "timeout",             // no answer before the deadline
    "write_failed",        // the connection to the app broke while the request was written
    "read_failed",         // it broke before the answer was whole
    "malformed_response",  // what came is no HTTP
    "headers_too_large",   // the answer's head is too long
    "connection_lost",     // the session ended; an agent with a journal will tell
    "agent_reset",         // the agent gave up in the middle
    "bad_result",          // its answer could not be read
    "cancelled",           // given up in the middle
    "internal_error",
});

/// A word that is not in the table, of a newer agent, is nobody's doing.
constexpr NotSent what_of_not_sent(std::string_view code) {
  const auto found = std::ranges::find(kNotSentReasons, code, &NotSentReason::code);
  return found == kNotSentReasons.end() ? NotSent::path : found->what;
}

}  // namespace postern::tunnel
