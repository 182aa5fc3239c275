#pragma once
#include "relay/delivery/breaker.hpp"
#include "relay/destinations/destination.hpp"

namespace postern::relay {

/// What an attempt says about its destination. Pure.
///
/// - good: any answer but those below, also one that refuses the event: whoever judges it is up.
/// - bad: 5xx, 408, 429; no answer after the request went out; no connection (name, connect, TLS).
/// - silent: everything else. An agent that is away or lost its session, pacing, settings that cannot work,
///   and the relay's own faults say nothing about the destination.
Health health_of(const AttemptResult& result);

/// The same for the whole of a destination that has parts: an answer that concerned one part only, such as
/// that no stream takes its subject, says nothing about the others.
Health whole_health_of(const AttemptResult& result);

}  // namespace postern::relay
