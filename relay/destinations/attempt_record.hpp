#pragma once
#include <string>
#include <string_view>

#include "base/http/client.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/tunnel/agent_directory.hpp"

/// From what happened to what is recorded and what the retry policy needs to know. Pure.
///
/// | happened | outcome | counted | final |
/// |---|---|---|---|
/// | 2xx | delivered | yes | |
/// | any other answer, redirects too | rejected | yes | 410, and statuses the destination lists |
/// | no answer after a byte was written | maybe_sent | yes | |
/// | the destination could not be reached (name, connect, TLS, refused address) | not_sent | yes | |
/// | it can never be sent (bad URL or secret, bytes HTTP has no way to say) | not_sent | yes | yes |
/// | this host had no descriptor, port, memory or trust anchors; called off; pacing | not_sent | no | |
/// | agent away, session lost before the request was sent, agent or tunnel at fault | not_sent | no | |
/// | the agent could not reach its app, or does not allow it | not_sent | no | |
/// | no agent can ever send it (tunnel-proto/outcome_reasons.hpp) | not_sent | no | yes |
///
/// So a dead host uses up its schedule and its delivery ends as dead, where a person can see it; an app
/// behind an agent is waited for, which a person can see too; what the relay, the tunnel or an absent agent
/// did is never held against the destination (the retry policy backs off by itself). A refused address is
/// counted but not final: DNS may be put right, and each try costs a look-up and no connection.
namespace postern::relay {

inline constexpr std::size_t kMostResponseBytes = 64 * 1024;

/// An attempt that has begun: delivery, number, start.
AttemptResult begin_attempt(const AttemptJob& job, Time now);

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  bool truncated = false;
};
/// `now` is when the answer came: dates in Retry-After are measured against it.
void record_answer(AttemptResult& result, Answer answer, const Destination& destination, Time now);

void record_client_error(AttemptResult& result, const http::ClientError& error);
void record_timings(Attempt& attempt, const http::Timings& timings);
void record_agent_answer(AttemptResult& result, AgentAnswer answer, const Destination& destination, Time now);

/// The destination's settings cannot work: dead at once, until somebody changes them and replays. Only
/// `address_refused` is retried, like the same answer at dial time.
void record_unusable(AttemptResult& result, const Error& error);
/// Not sent, and nobody's failure: tried again after `pause`.
void record_deferred(AttemptResult& result, std::string code, std::string message, Duration pause);

}  // namespace postern::relay
