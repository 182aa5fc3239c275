#include "relay/ingest/ingest_answers.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace postern::relay {
namespace {

http::Response json(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(body);
  return response;
}

/// Whole seconds, never too few: a sender that waits that long is let through.
std::int64_t seconds_up(Duration duration) {
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(duration).count());
}

std::string_view code_of(LimitRefusal::By by) {
  return by == LimitRefusal::By::failures ? "too_many_failures" : "rate_limited";
}

std::string_view message_of(LimitRefusal::By by) {
  switch (by) {
    case LimitRefusal::By::source:
      return "this source takes no more requests at the moment; send the event again after Retry-After";
    case LimitRefusal::By::workspace:
      return "this workspace takes no more requests at the moment; send the event again after Retry-After";
    case LimitRefusal::By::failures:
      return "too many requests with a wrong signature came from this address; check the signing secret";
  }
  return "";
}

std::string problem(std::string_view code, std::string_view message) {
  return fmt::format(R"({{"code":"{}","message":{}}})", code,
                     boost::json::serialize(boost::json::string(message)));
}

}  // namespace

http::Response answer_stored(const Provider& provider, const Appended& appended) {
  const int status = appended.duplicate ? provider.duplicate_status : provider.ack_status;
  std::string body = R"({"event_id":")";
  body.reserve(80);
  body.append(EventTag::prefix).append("_").append(uuid_to_text(appended.event_id.uuid));
  body.append(appended.duplicate ? R"(","duplicate":true})" : R"(","duplicate":false})");
  return json(status, std::move(body));
}

http::Response answer_not_found() {
  return json(404, problem("not_found", "there is no such source"));
}

http::Response answer_method_not_allowed() {
  http::Response response = json(405, problem("method_not_allowed", "events are sent with POST"));
  response.headers.push_back({"Allow", "POST"});
  return response;
}

http::Response answer_unauthorized(const SignatureVerdict& verdict) {
  std::string body = problem(verdict.code, verdict.message);
  if (verdict.skew_seconds) {
    body.pop_back();
    body += fmt::format(R"(,"skew_seconds":{}}})", *verdict.skew_seconds);
  }
  http::Response response = json(401, std::move(body));
  // RFC 9110, section 15.5.2: a 401 names a scheme.
  response.headers.push_back({"WWW-Authenticate", "Webhook-Signature"});
  return response;
}

http::Response answer_limited(const LimitRefusal& refusal) {
  http::Response response = json(429, problem(code_of(refusal.by), message_of(refusal.by)));
  const auto limit = refusal.pace.burst;
  const auto retry = seconds_up(refusal.verdict.retry_after);
  const auto reset = seconds_up(refusal.verdict.reset_after);
  const auto text = [](auto number) { return std::to_string(number); };
  response.headers.push_back({"Retry-After", text(retry)});
  response.headers.push_back({"X-RateLimit-Limit", text(limit)});
  response.headers.push_back({"X-RateLimit-Remaining", text(refusal.verdict.remaining)});
  response.headers.push_back({"X-RateLimit-Reset", text(reset)});
  const std::string_view name = to_text(refusal.by);
  response.headers.push_back({"RateLimit-Policy", fmt::format("\"{}\";q={};w={}", name, limit,
                                                              seconds_up(refusal.pace.tolerance()))});
  response.headers.push_back(
      {"RateLimit", fmt::format("\"{}\";r={};t={}", name, refusal.verdict.remaining, retry)});
  return response;
}

http::Response answer_unavailable(std::string_view code, std::string_view message,
                                  unsigned retry_after_seconds) {
  http::Response response = json(503, problem(code, message));
  response.headers.push_back({"Retry-After", std::to_string(retry_after_seconds)});
  return response;
}

/// Made once: saying no is what the relay does most when it has least to spare.
http::Response answer_overloaded(unsigned number) {
  constexpr unsigned kLatest = 5;
  static const std::vector<http::Response> made = [] {
    std::vector<http::Response> all;
    all.reserve(kLatest);
    for (unsigned seconds = 1; seconds <= kLatest; ++seconds)
      all.push_back(answer_unavailable(
          "overloaded", "the relay is overloaded; send the event again after Retry-After", seconds));
    return all;
  }();
  return made[number % kLatest];
}

}  // namespace postern::relay
