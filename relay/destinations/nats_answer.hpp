#pragma once
#include "relay/bus/nats_message.hpp"
#include "relay/destinations/destination.hpp"

namespace postern::relay {

/// From what NATS said to what is recorded. Pure.
///
/// | happened | outcome | counted | final |
/// |---|---|---|---|
/// | JetStream acknowledged (a duplicate too: it has it) | delivered | yes | |
/// | JetStream refused | rejected | yes | larger than the stream takes |
/// | nobody takes the subject: no stream | rejected | yes | |
/// | an answer that is none of JetStream's | rejected | yes | |
/// | written, and no acknowledgement came | maybe_sent | yes | |
/// | not connected, too much under way, not written in time, a server of no use | not_sent | no | |
/// | larger than the server takes, or refused by the library | not_sent | yes | yes |
///
/// The acknowledgement is kept as the answer's body, with Nats-Stream and Nats-Sequence as headers. NATS has
/// no status line: 200 stands for an acknowledgement, JetStream's own code (such as 400 or 503) for an error,
/// and 503, which is what the server says, for no stream. `subject` is for the message.
void record_nats_answer(AttemptResult& result, NatsAnswer answer, std::string_view subject);

/// Larger than max_payload: final, as only another setting of the server can help.
void record_too_large(AttemptResult& result, std::size_t bytes, std::size_t most);

}  // namespace postern::relay
