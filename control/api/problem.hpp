#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/http/message.hpp"

namespace postern::control {

/// One thing wrong with one field of a request, named as the client wrote it: "retry_schedule_seconds[2]".
struct FieldError {
  std::string field;
  std::string message;
};

/// Why a request was not done, as the client sees it (RFC 9457). `code` is stable; machines match it, not the
/// text.
struct Problem {
  int status = 500;
  std::string code;
  std::string detail;
  std::vector<FieldError> errors = {};
  http::Headers headers = {};  ///< Allow, Retry-After, WWW-Authenticate
};

Problem not_found(std::string_view what);
Problem invalid_request(std::string detail);
/// 410: retention has removed the body of the event that was asked for.
Problem body_gone();
/// 422 with the fields; the detail names the first.
Problem invalid_fields(std::vector<FieldError> errors);

/// An Error of the store or of a room below, with the status its code stands for.
Problem problem_from(const Error& error);

http::Response to_response(const Problem& problem);

}  // namespace postern::control
