#include "control/api/problem.hpp"

#include <boost/json.hpp>

#include "control/api/json.hpp"

namespace postern::control {
namespace {

struct Mapping {
  std::string_view code;
  int status;
};
// Codes of the store and of the rooms below. Anything else is a fault of ours.
constexpr Mapping kStatuses[] = {
    {"not_found", 404},
    {"name_taken", 409},
    {"in_use", 409},
    {"conflict", 409},
    {"not_retryable", 409},
    {"expired", 410},
    {"invalid_cursor", 400},
    {"store_busy", 503},
    {"store_failed", 503},
    {"not_replayable", 409},
    {"programs_busy", 503},
    {"agent_revoked", 409},
    {"idempotency_mismatch", 422},
    {"body_expired", 410},
    {"not_running", 409},
    {"too_many_replays", 409},
};

int status_of(std::string_view code) {
  for (const Mapping& mapping : kStatuses) {
    if (mapping.code == code) return mapping.status;
  }
  return 500;
}

}  // namespace

Problem not_found(std::string_view what) {
  return {404, "not_found", fmt::format("There is no such {}.", what)};
}

Problem invalid_request(std::string detail) {
  return {400, "invalid_request", std::move(detail)};
}

Problem body_gone() {
  return {410, "body_expired",
          "The body of this event is past its retention and was removed; the rest is still here."};
}

Problem invalid_fields(std::vector<FieldError> errors) {
  std::string detail = fmt::format("{}: {}", errors.front().field, errors.front().message);
  return {422, "invalid_fields", std::move(detail), std::move(errors)};
}

Problem problem_from(const Error& error) {
  Problem problem{status_of(error.code), error.code, error.message};
  if (problem.status == 503) problem.headers.push_back({"Retry-After", "1"});
  if (problem.status == 500) problem.code = "internal";
  return problem;
}

http::Response to_response(const Problem& problem) {
  boost::json::object body{{"type", "urn:postern:problem:" + problem.code},
                           {"title", http::reason_phrase(problem.status)},
                           {"status", problem.status},
                           {"detail", json_text(problem.detail)},
                           {"code", problem.code}};
  if (!problem.errors.empty()) {
    boost::json::array errors;
    for (const FieldError& error : problem.errors) {
      errors.push_back({{"field", json_text(error.field)}, {"message", json_text(error.message)}});
    }
    body["errors"] = std::move(errors);
  }
  http::Response response{
      .status = problem.status, .headers = problem.headers, .body = boost::json::serialize(body)};
  response.headers.push_back({"Content-Type", "application/problem+json"});
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

}  // namespace postern::control
