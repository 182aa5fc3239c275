#include "relay/tunnel/agent_answer.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kBodyLimit = std::size_t{64} * 1024;

Outcome outcome_of(const tunnel::ResultHead& head) {
  switch (head.outcome) {
    case tunnel::ResultOutcome::delivered:
      return head.status >= 200 && head.status < 300 ? Outcome::delivered : Outcome::rejected;
    case tunnel::ResultOutcome::not_sent:
      return Outcome::not_sent;
    case tunnel::ResultOutcome::maybe_sent:
      return Outcome::maybe_sent;
  }
  return Outcome::maybe_sent;
}

/// Not the app's doing: the agent, or the way to it, went away before anything was tried.
bool is_away(const tunnel::ResultHead& head, bool agent_leaving) {
  if (head.outcome != tunnel::ResultOutcome::not_sent) return false;
  return head.error_code == tunnel::kConnectionLost || (agent_leaving && head.error_code == "agent_refused");
}

bool is_broken_off(const tunnel::ResultHead& head) {
  return head.outcome == tunnel::ResultOutcome::maybe_sent && head.error_code == tunnel::kConnectionLost;
}

/// Not for want of the session's credit, which the relay says by itself.
bool is_full(const tunnel::DeliveryAnswer& answer) {
  return answer.told && answer.head.outcome == tunnel::ResultOutcome::not_sent &&
         answer.head.error_code == "no_credit";
}

}  // namespace

Duration deadline_for_agent(Duration left) {
  const Duration margin =
      std::clamp<Duration>(left / 10, std::chrono::milliseconds(20), std::chrono::seconds(1));
  return std::max<Duration>(left - margin, std::chrono::milliseconds(1));
}

AgentDeliveryPtr to_delivery(AgentRequest request) {
  auto delivery = std::make_shared<AgentDelivery>();
  tunnel::DeliverHead& head = delivery->head;
  head.delivery_id = request.delivery_id;
  head.attempt = request.attempt;
  head.answered = request.answered;
  head.tls = request.tls;
  head.host = std::move(request.host);
  head.port = request.port;
  head.method = std::move(request.method);
  head.target = std::move(request.target);
  head.headers = std::move(request.headers);
  delivery->body = std::move(request.body);
  return delivery;
}

AgentAnswer to_answer(tunnel::DeliveryAnswer answer, const AgentTraits& agent) {
  tunnel::ResultHead& head = answer.head;
  if (is_away(head, agent.leaving)) return agent_away();
  AgentAnswer out;
  out.app_full = is_full(answer);
  out.outcome = outcome_of(head);
  out.resumes = agent.journal && !answer.told && is_broken_off(head);
  out.error_code = head.error_code == "cancelled" ? "timeout" : std::move(head.error_code);
  out.error_message = out.error_code == "timeout" && head.error_message.empty()
                          ? "The agent gave no answer before the deadline."
                          : std::move(head.error_message);
  out.status = head.status;
  out.headers = std::move(head.headers);
  out.truncated = head.truncated || answer.body.size() > kBodyLimit;
  out.body = std::move(answer.body);
  if (out.body.size() > kBodyLimit) out.body.resize(kBodyLimit);
  out.connect = head.connect;
  out.tls = head.tls;
  out.first_byte = head.first_byte;
  out.total = head.total;
  out.kept = agent.journal && answer.told && head.outcome != tunnel::ResultOutcome::not_sent;
  out.from_journal = head.from_journal;
  return out;
}

AgentAnswer not_sent(std::string_view code, std::string_view message) {
  AgentAnswer answer;
  answer.outcome = Outcome::not_sent;
  answer.error_code = code;
  answer.error_message = message;
  return answer;
}

}  // namespace postern::relay
