#include "relay/destinations/nats_destination.hpp"

#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/nats_answer.hpp"
#include "relay/destinations/nats_envelope.hpp"
#include "relay/notify/domain_event.hpp"

namespace postern::relay {
namespace {

// With the backoff of the retry policy on top, a relay whose NATS is away stays calm.
constexpr Duration kAwayPause = std::chrono::seconds(1);
constexpr Duration kNotConfiguredPause = std::chrono::seconds(60);

void withhold(AttemptResult& result, std::string_view why) {
  result.attempt.outcome = Outcome::not_sent;
  result.attempt.counted = false;
  result.attempt.error_code = why;
  result.attempt.error_message =
      why == "not_published_by_event_map"
          ? "The destination's event_map says that this event is not published; it is kept in the store."
          : "A compliance request is kept in the store and not published, unless the destination's event_map "
            "names "
            "its topic.";
  result.withheld = true;
}

/// A subject that is down waits for its own time, and burns nothing.
bool may_publish(const AttemptJob& job, const std::string& subject, AttemptResult& result) {
  if (!job.parts) return true;
  const PartGate::Pass pass = job.parts->begin(subject);
  result.held = pass.wait.has_value();
  if (result.held) {
    record_deferred(result, "subject_down", "The breaker of this subject is open.", *pass.wait);
    return false;
  }
  result.part = subject;
  result.part_round = pass.round;
  return true;
}

}  // namespace

std::optional<NatsMessage> NatsDestination::message_for(const AttemptJob& job, AttemptResult& result) const {
  const Event& event = *job.leased.event;
  const std::string_view provider = job.source ? std::string_view(job.source->provider) : std::string_view();
  const auto map = EventMap::parse(job.destination->event_map);
  const auto subject = SubjectTemplate::parse(job.destination->subject, parts_.subject_prefix);
  if (!map || !subject) return record_unusable(result, map ? subject.error() : map.error()), std::nullopt;
  const DomainEvent domain = domain_event(provider, event.type, *map);
  if (!domain.publish) return withhold(result, domain.withheld), std::nullopt;
  if (!parts_.client->connected())
    return record_deferred(result, "nats_away", "NATS is not connected.", kAwayPause), std::nullopt;
  if (event.body.size() > parts_.client->max_payload())  // before it is parsed
    return record_too_large(result, event.body.size(), parts_.client->max_payload()), std::nullopt;

  const WorkspaceId workspace = job.destination->workspace_id;
  const std::string name = parts_.workspace_name ? parts_.workspace_name(workspace) : std::string();
  const EnvelopeInput input{event, job.source.get(), job.leased.delivery, name, domain.name};
  NatsMessage message;
  message.subject = subject->render({nats_workspace_token(name, workspace.to_string()),
                                     job.source ? std::string_view(job.source->name) : std::string_view(),
                                     provider, event.type, domain.name});
  message.headers = nats_headers(input);
  message.data = nats_envelope(input);
  result.attempt.url = "nats:" + message.subject;
  if (nats_payload_bytes(message) <= parts_.client->max_payload()) return message;
  record_too_large(result, nats_payload_bytes(message), parts_.client->max_payload());
  return std::nullopt;
}

boost::asio::awaitable<AttemptResult> NatsDestination::attempt(AttemptJob job) {
  AttemptResult result = begin_attempt(job, clock_.now());
  if (!parts_.client) {
    record_deferred(result, "nats_not_configured", "The relay has no NATS: its operator sets nats.url.",
                    kNotConfiguredPause);
    co_return result;
  }
  auto message = message_for(job, result);
  if (!message) co_return result;
  const std::string subject = message->subject;
  if (!may_publish(job, subject, result)) co_return result;
  const SteadyTime begun = clock_.steady();
  NatsAnswer answer = co_await parts_.client->request(std::move(*message), job.destination->timeout);
  result.attempt.total = std::chrono::duration_cast<Duration>(clock_.steady() - begun);
  record_nats_answer(result, std::move(answer), subject);
  co_return result;
}

}  // namespace postern::relay
