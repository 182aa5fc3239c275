#include "relay/destinations/slack_destination.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/destination_url.hpp"
#include "relay/destinations/slack_answer.hpp"
#include "relay/notify/slack_message.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

constexpr Duration kMostPatience = std::chrono::seconds(10);
// Slack names a time with every 429; should one come without, this is its usual.
constexpr Duration kDefaultHold = std::chrono::seconds(30);

http::ClientRequest make_request(const AttemptJob& job, std::string target, const std::string& link_base) {
  const SlackMessageInput input{*job.leased.event, job.source.get(), link_base};
  http::ClientRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = {{"Content-Type", "application/json; charset=utf-8"},
                     {"Accept", "text/plain"},
                     {"User-Agent", "Postern/" POSTERN_VERSION}};
  // A transform writes the message itself.
  const auto& payload = job.leased.payload;
  request.body = payload ? std::shared_ptr<const std::string>(payload, &payload->body)
                         : std::make_shared<const std::string>(slack_message(input));
  request.owner = job.destination->workspace_id.bytes();
  return request;
}

/// A 2xx that is not Slack's "ok" is somebody else's page.
void record_stranger(Attempt& attempt) {
  attempt.outcome = Outcome::rejected;
  attempt.error_code = "unexpected_answer";
  attempt.error_message = "A 2xx without Slack's \"ok\": something else answered for Slack.";
}

void record_permanent(AttemptResult& result, std::string_view word) {
  result.final = true;
  result.attempt.error_code = word;
  result.attempt.error_message = "Slack refuses this for good; a retry would get the same answer.";
}

asio::awaitable<void> sleep_for(Duration wait) {
  asio::steady_timer timer(co_await asio::this_coro::executor, wait);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

asio::awaitable<AttemptResult> SlackDestination::attempt(AttemptJob job) {
  const Destination& destination = *job.destination;
  AttemptResult result = begin_attempt(job, clock_.now());
  const auto url = parse_destination_url(DestinationKind::slack, destination.url, parts_.policy);
  if (!url) {
    record_unusable(result, url.error());
    co_return result;
  }
  const http::Origin& dialled = parts_.stand_in ? *parts_.stand_in : url->origin;
  result.attempt.url = url_without_credentials(DestinationKind::slack, {dialled, url->target});
  const auto turn = parts_.pacer->reserve(destination.url, clock_.steady(),
                                          std::min(kMostPatience, destination.timeout / 2));
  if (const auto* later = std::get_if<SlackPacer::ComeBack>(&turn)) {
    record_deferred(result, "paced", "Slack takes one message a second; others are before this one",
                    later->after);
    co_return result;
  }
  const Duration wait = std::get<SlackPacer::Slot>(turn).wait;
  if (wait > Duration::zero()) co_await sleep_for(wait);
  if (const Duration held = parts_.pacer->held(destination.url, clock_.steady()); held > Duration::zero()) {
    record_deferred(result, "paced", "Slack asked for a pause", held);
    co_return result;
  }
  result.attempt.started_at = clock_.now();
  http::ClientRequest request = make_request(job, url->target, parts_.event_link_base);
  auto reply = co_await parts_.client->send(dialled, std::move(request), destination.timeout - wait);
  if (reply)
    record_reply(result, std::move(*reply), destination);
  else
    record_client_error(result, reply.error());
  co_return result;
}

void SlackDestination::record_reply(AttemptResult& result, http::ClientResponse reply,
                                    const Destination& destination) {
  const bool success = is_slack_success(reply.status, reply.body);
  const std::string_view permanent = permanent_slack_error(reply.body);
  record_timings(result.attempt, reply.timings);
  record_answer(result, {reply.status, std::move(reply.headers), std::move(reply.body), reply.body_truncated},
                destination, clock_.now());
  if (success) return;
  if (result.attempt.outcome == Outcome::delivered) record_stranger(result.attempt);
  if (!permanent.empty()) record_permanent(result, permanent);
  if (result.attempt.response_status != 429) return;
  if (!result.retry_after) result.retry_after = kDefaultHold;
  parts_.pacer->hold(destination.url, clock_.steady(), *result.retry_after);
}

}  // namespace postern::relay
