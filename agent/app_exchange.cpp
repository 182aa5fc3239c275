#include "agent/app_exchange.hpp"

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

constexpr std::size_t kMessageBytes = 1024;
constexpr std::size_t kHeaderCount = 200;  // the tunnel takes 256
constexpr std::size_t kHeaderBytes =
    std::size_t{48} * 1024;  // the tunnel's frame is 80 KiB, names and lengths included

bool is_token(std::string_view text) {
  constexpr std::string_view kPunctuation = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
  const auto fits = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kPunctuation.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_target(std::string_view text) {
  const auto visible = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; };
  return text.starts_with('/') && std::all_of(text.begin(), text.end(), visible);
}

bool is_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

/// Host with them: it says where a request goes, and that is the allow-list's to say. Behind a shared proxy
/// another name is another app.
bool belongs_to_one_connection(std::string_view name) {
  constexpr std::string_view kNames[] = {"connection",        "content-length",   "expect", "host",
                                         "keep-alive",        "proxy-connection", "te",     "trailer",
                                         "transfer-encoding", "upgrade"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](auto own) { return ascii_iequals(own, name); });
}

bool may_have_no_body(std::string_view method) {
  return method == "GET" || method == "HEAD";
}

http::Headers fitting(http::Headers headers) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (const http::Header& header : headers) {
    bytes += header.name.size() + header.value.size() + 16;
    if (count == kHeaderCount || bytes > kHeaderBytes) break;
    ++count;
  }
  headers.resize(count);
  return headers;
}

void copy_timings(const http::Timings& timings, tunnel::ResultHead& head) {
  head.connect = timings.dns + timings.connect;
  head.tls = timings.tls;
  head.first_byte = timings.first_byte;
  head.total = timings.total;
}

}  // namespace

Result<http::ClientRequest> to_app_request(const tunnel::DeliverHead& head) {
  if (!is_token(head.method)) return fail("bad_request", "The method is not an HTTP token.");
  if (!is_target(head.target)) return fail("bad_request", "The target is not a path of visible characters.");
  http::ClientRequest request;
  for (const http::Header& header : head.headers) {
    if (!is_token(header.name) || !is_value(header.value)) {
      return fail("bad_request", "A header would not survive being written as HTTP.");
    }
    if (!belongs_to_one_connection(header.name)) request.headers.push_back(header);
  }
  request.method = head.method;
  request.target = head.target;
  return request;
}

void attach_body(http::ClientRequest& request, std::shared_ptr<const std::string> body) {
  if (body && !(body->empty() && may_have_no_body(request.method))) request.body = std::move(body);
}

http::ClientOptions app_client_options(const AppTls& tls) {
  http::ClientOptions options;
  options.verify_tls = !tls.insecure;
  options.ca_file = tls.ca_file;
  options.unix_sockets = true;
  return options;
}

http::Origin origin_of(const tunnel::DeliverHead& head) {
  return {head.tls, head.host, head.port};
}

AppAnswer to_answer(http::ClientResponse response) {
  AppAnswer answer;
  answer.head.outcome = tunnel::ResultOutcome::delivered;
  answer.head.status = response.status;
  answer.head.headers = fitting(std::move(response.headers));
  answer.head.truncated = response.body_truncated;
  copy_timings(response.timings, answer.head);
  answer.body = std::move(response.body);
  return answer;
}

AppAnswer to_answer(const http::ClientError& error) {
  AppAnswer answer = not_sent(error.error.code, error.error.message);
  if (error.sent == http::Sent::maybe) answer.head.outcome = tunnel::ResultOutcome::maybe_sent;
  copy_timings(error.timings, answer.head);
  return answer;
}

AppAnswer not_sent(std::string_view code, std::string_view message) {
  AppAnswer answer;
  answer.head.outcome = tunnel::ResultOutcome::not_sent;
  answer.head.error_code = code;
  answer.head.error_message = message.substr(0, kMessageBytes);
  return answer;
}

}  // namespace postern::agent
