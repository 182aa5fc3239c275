#include "base/http/request_head.hpp"

#include "base/bytes.hpp"
#include "base/http/chars.hpp"

namespace postern::http {

namespace {

Result<> refuse(std::string message) {
  return fail("invalid_request", std::move(message));
}

bool valid_target(std::string_view target) {
  const bool form = target.starts_with('/') || target == "*";
  return form && run_length(kTarget, target) == target.size();
}

Result<> check_fields(const Headers& headers) {
  for (const Header& field : headers) {
    if (!is_token(field.name)) return refuse("a header name holds a byte that no name may hold");
    if (!is_field_value(field.value))
      return refuse("the value of header " + field.name + " holds a control byte");
  }
  return {};
}

Result<> check_framing(const ClientRequest& request, std::size_t body_size) {
  if (count_header(request.headers, "transfer-encoding") > 0)
    return refuse("bodies are sent with a Content-Length");
  if (count_header(request.headers, "host") > 1) return refuse("more than one Host");
  if (count_header(request.headers, "content-length") > 1) return refuse("more than one Content-Length");
  const std::string* length = find_header(request.headers, "content-length");
  if (length && *length != std::to_string(body_size))
    return refuse("Content-Length is not the length of the body");
  return {};
}

bool wants_length(const ClientRequest& request) {
  if (count_header(request.headers, "content-length") > 0) return false;
  return request.body || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

}  // namespace

Result<std::string> write_request_head(const Origin& origin, const ClientRequest& request) {
  if (!is_token(request.method)) return fail("invalid_request", "the method is not a token");
  if (!valid_target(request.target))
    return fail("invalid_request", "the target is not a path in visible ASCII");
  const std::size_t body_size = request.body ? request.body->size() : 0;
  if (const auto fields = check_fields(request.headers); !fields) return std::unexpected(fields.error());
  if (const auto framing = check_framing(request, body_size); !framing)
    return std::unexpected(framing.error());

  std::string out;
  out.reserve(512);
  out += request.method;
  out += ' ';
  out += request.target;
  out += " HTTP/1.1\r\n";
  if (count_header(request.headers, "host") == 0) append_field(out, "Host", origin.host_header());
  for (const Header& field : request.headers) append_field(out, field.name, field.value);
  if (wants_length(request)) append_field(out, "Content-Length", std::to_string(body_size));
  out += "\r\n";
  return out;
}

}  // namespace postern::http
