#include "relay/destinations/attempt_record.hpp"

#include <algorithm>
#include <array>

#include "relay/destinations/retry_after.hpp"
#include "tunnel-proto/outcome_reasons.hpp"

namespace postern::relay {
namespace {

template <class List>
bool contains(const List& list, std::string_view code) {
  return std::find(list.begin(), list.end(), code) != list.end();
}

// Of http::Client: this process was out of something, was told to stop, or has trust anchors it cannot read.
constexpr std::array<std::string_view, 3> kOurFault = {"local_resources", "cancelled", "tls_config"};

void record_failure(AttemptResult& result, Outcome outcome, std::string code, std::string message,
                    bool counted) {
  result.attempt.outcome = outcome;
  result.attempt.counted = counted;
  result.attempt.error_code = std::move(code);
  result.attempt.error_message = std::move(message);
}

/// What the client says, and for a refused address the setting that would allow it.
std::string told(const Error& error) {
  if (error.code != "address_refused") return error.message;
  return error.message + "; to deliver to an inside network, list it in egress.allow_networks";
}

void cap_body(Attempt& attempt) {
  if (attempt.response_body.size() <= kMostResponseBytes) return;
  attempt.response_body.resize(kMostResponseBytes);
  attempt.response_truncated = true;
}

}  // namespace

AttemptResult begin_attempt(const AttemptJob& job, Time now) {
  AttemptResult result;
  result.attempt.delivery_id = job.leased.delivery.id;
  result.attempt.number = job.leased.tries + 1;
  result.attempt.started_at = now;
  return result;
}

void record_answer(AttemptResult& result, Answer answer, const Destination& destination, Time now) {
  Attempt& attempt = result.attempt;
  attempt.counted = true;
  attempt.response_status = answer.status;
  attempt.response_headers = std::move(answer.headers);
  attempt.response_body = std::move(answer.body);
  attempt.response_truncated = answer.truncated;
  cap_body(attempt);
  if (answer.status >= 200 && answer.status < 300) {
    attempt.outcome = Outcome::delivered;
    return;
  }
  attempt.outcome = Outcome::rejected;
  result.retry_after = retry_after_of(attempt.response_headers, now);
  result.gone = answer.status == 410;
  const auto& finals = destination.final_statuses;
  result.final = result.gone || std::find(finals.begin(), finals.end(), answer.status) != finals.end();
}

void record_timings(Attempt& attempt, const http::Timings& timings) {
  attempt.dns = timings.dns;
  attempt.connect = timings.connect;
  attempt.tls = timings.tls;
  attempt.first_byte = timings.first_byte;
  attempt.total = timings.total;
}

void record_client_error(AttemptResult& result, const http::ClientError& error) {
  const bool sent = error.sent == http::Sent::maybe;
  const bool counted = sent || !contains(kOurFault, error.error.code);
  record_failure(result, sent ? Outcome::maybe_sent : Outcome::not_sent, error.error.code, told(error.error),
                 counted);
  record_timings(result.attempt, error.timings);
  result.final =
      error.error.code == "invalid_request";  // HTTP has no way to say it, however often it is tried
}

void record_agent_answer(AttemptResult& result, AgentAnswer answer, const Destination& destination,
                         Time now) {
  Attempt& attempt = result.attempt;
  if (answer.outcome == Outcome::delivered || answer.outcome == Outcome::rejected) {
    record_answer(result,
                  {answer.status, std::move(answer.headers), std::move(answer.body), answer.truncated},
                  destination, now);
  } else {
    const bool counted = !answer.resumes && answer.outcome == Outcome::maybe_sent;
    record_failure(result, answer.outcome, std::move(answer.error_code), std::move(answer.error_message),
                   counted);
    result.app_full = answer.app_full;
    result.wait_for_agent =
        answer.resumes || (answer.outcome == Outcome::not_sent && attempt.error_code == "agent_away");
    result.final = answer.outcome == Outcome::not_sent &&
                   tunnel::what_of_not_sent(attempt.error_code) == tunnel::NotSent::never;
  }
  attempt.connect = answer.connect;
  attempt.tls = answer.tls;
  attempt.first_byte = answer.first_byte;
  attempt.total = answer.total;
}

void record_unusable(AttemptResult& result, const Error& error) {
  record_failure(result, Outcome::not_sent, error.code, error.message, true);
  result.final = error.code != "address_refused";
}

void record_deferred(AttemptResult& result, std::string code, std::string message, Duration pause) {
  record_failure(result, Outcome::not_sent, std::move(code), std::move(message), false);
  result.retry_after = pause;
}

}  // namespace postern::relay
