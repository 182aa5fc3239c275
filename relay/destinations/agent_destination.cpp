#include "relay/destinations/agent_destination.hpp"

#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/destination_url.hpp"
#include "relay/destinations/outbound.hpp"

namespace postern::relay {
namespace {

constexpr unsigned kLostMost = 5;

AgentRequest make_request(const AttemptJob& job, const http::Url& url, Outbound outbound) {
  AgentRequest request;
  request.delivery_id = job.leased.delivery.id;
  request.attempt = job.leased.tries + 1;
  request.answered = job.leased.answered;
  request.deadline = job.destination->timeout;
  request.tls = url.origin.tls;
  request.host = url.origin.host;
  request.port = url.origin.port;
  request.method = std::move(outbound.method);
  request.target = std::move(outbound.target);
  request.headers = std::move(outbound.headers);
  request.body = std::move(outbound.body);
  return request;
}

Result<AgentRequest> prepare(const AttemptJob& job, AttemptResult& result) {
  if (!job.destination->agent_id) return fail("no_agent", "the destination names no agent");
  const auto url = parse_destination_url(DestinationKind::agent, job.destination->url, EgressPolicy());
  if (!url) return std::unexpected(url.error());
  result.attempt.url = url_without_credentials(DestinationKind::agent, *url);
  auto outbound = build_outbound(job, url->target, result.attempt.started_at);
  if (!outbound) return std::unexpected(outbound.error());
  return make_request(job, *url, std::move(*outbound));
}

}  // namespace

/// The directory outlives the dispatcher, which calls this.
std::function<void()> AgentDestination::acknowledging(AgentId agent, const AttemptJob& job) const {
  return [&agents = agents_, agent, delivery = job.leased.delivery.id, attempt = job.leased.tries + 1] {
    agents.acknowledge(agent, delivery, attempt);
  };
}

boost::asio::awaitable<AttemptResult> AgentDestination::attempt(AttemptJob job) {
  AttemptResult result = begin_attempt(job, clock_.now());
  auto request = prepare(job, result);
  if (!request) {
    record_unusable(result, request.error());
    co_return result;
  }
  const AgentId agent = *job.destination->agent_id;
  AgentAnswer answer = co_await agents_.deliver(agent, std::move(*request));
  if (answer.kept) result.committed = acknowledging(agent, job);
  // One that breaks its agent's session over and over is to use up its schedule, and not to come back for
  // ever.
  answer.resumes = answer.resumes && job.leased.tries - job.leased.delivery.attempt_count < kLostMost;
  record_agent_answer(result, std::move(answer), *job.destination, clock_.now());
  // Else nobody would wake it.
  const bool not_sent =
      result.attempt.outcome == Outcome::not_sent && !result.final && !result.wait_for_agent;
  result.wait_for_app = not_sent && app_is_away(agents_, *job.destination);
  co_return result;
}

bool app_is_away(const AgentDirectory& agents, const Destination& destination) {
  const auto url = parse_destination_url(DestinationKind::agent, destination.url, EgressPolicy());
  return url && destination.agent_id &&
         agents.app_away(*destination.agent_id, url->origin.host, url->origin.port).has_value();
}

}  // namespace postern::relay
