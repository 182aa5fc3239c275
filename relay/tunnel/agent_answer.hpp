#pragma once
#include "relay/tunnel/agent_directory.hpp"
#include "tunnel-proto/connection.hpp"

/// Between the words of the relay and those of the wire. No I/O.
namespace postern::relay {

/// A request on its way: one object from the caller to the wire, so that headers are copied only into the
/// frame. Handed on between loops, never used by two.
struct AgentDelivery {
  tunnel::DeliverHead head;  ///< its deadline is set when it starts
  std::shared_ptr<const std::string> body;
};
using AgentDeliveryPtr = std::shared_ptr<AgentDelivery>;
AgentDeliveryPtr to_delivery(AgentRequest request);

/// What the agent is told. It gets a little less time than there is, so that its own honest "timeout" (with
/// how far it came) arrives before the relay gives up on it.
Duration deadline_for_agent(Duration left);

/// What became of it, from the answer or from how the stream broke. A stream that broke before its head was
/// on the wire, or that a leaving agent sent back, is `agent_away`; one given up at the deadline is
/// `timeout`.
struct AgentTraits {
  bool leaving = false;  ///< it has said that it goes
  bool journal = false;  ///< it keeps outcomes: SPEC.md, section 7
};
AgentAnswer to_answer(tunnel::DeliveryAnswer answer, const AgentTraits& agent);

AgentAnswer not_sent(std::string_view code, std::string_view message);
inline AgentAnswer agent_away() {
  return not_sent("agent_away", "The agent holds no session with the relay.");
}

}  // namespace postern::relay
