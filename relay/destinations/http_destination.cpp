#include "relay/destinations/http_destination.hpp"

#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/destination_url.hpp"
#include "relay/destinations/outbound.hpp"

namespace postern::relay {
namespace {

Result<http::ClientRequest> make_request(const AttemptJob& job, const http::Url& url, Time now) {
  auto parts = build_outbound(job, url.target, now);
  if (!parts) return std::unexpected(parts.error());
  http::ClientRequest request;
  request.method = std::move(parts->method);
  request.target = std::move(parts->target);
  request.headers = std::move(parts->headers);
  request.body = std::move(parts->body);
  request.owner = job.destination->workspace_id.bytes();
  return request;
}

}  // namespace

boost::asio::awaitable<AttemptResult> HttpDestination::attempt(AttemptJob job) {
  AttemptResult result = begin_attempt(job, clock_.now());
  const auto url = parse_destination_url(DestinationKind::http, job.destination->url, policy_);
  if (!url) {
    record_unusable(result, url.error());
    co_return result;
  }
  result.attempt.url = url_without_credentials(DestinationKind::http, *url);
  auto request = make_request(job, *url, result.attempt.started_at);
  if (!request) {
    record_unusable(result, request.error());
    co_return result;
  }
  auto answer = co_await client_->send(url->origin, std::move(*request), job.destination->timeout);
  if (!answer) {
    record_client_error(result, answer.error());
    co_return result;
  }
  record_timings(result.attempt, answer->timings);
  Answer kept{answer->status, std::move(answer->headers), std::move(answer->body), answer->body_truncated};
  record_answer(result, std::move(kept), *job.destination, clock_.now());
  co_return result;
}

}  // namespace postern::relay
