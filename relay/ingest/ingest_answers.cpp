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

http::Response answer_unavailable(std::string_view code, std::string_view message,
                                  unsigned retry_after_seconds) {
  http::Response response = json(503, problem(code, message));
  response.headers.push_back({"Retry-After", std::to_string(retry_after_seconds)});
  return response;
}

}  // namespace postern::relay
