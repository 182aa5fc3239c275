#include "agent/inspector/guard.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>

#include "base/bytes.hpp"

namespace postern::agent::inspector {
namespace {

namespace json = boost::json;

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

/// Repeated headers: whichever of them is wrong.
template <class Right>
bool each_is(const http::Headers& headers, std::string_view name, Right right) {
  for (const auto& header : headers)
    if (ascii_iequals(header.name, name) && !right(header.value)) return false;
  return true;
}

bool is_same_origin(const http::Request& head, std::string_view host) {
  const std::string own = "http://" + ascii_lower(host);
  return each_is(head.headers, "Origin", [&](std::string_view origin) { return ascii_lower(origin) == own; });
}

bool is_own_fetch(const http::Request& head) {
  return each_is(head.headers, "Sec-Fetch-Site",
                 [](std::string_view site) { return site == "same-origin" || site == "none"; });
}

}  // namespace

http::Response make_response(int status, std::string_view content_type, std::string body) {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", std::string(content_type)},
                      {"Content-Security-Policy", std::string(kPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"X-Frame-Options", "DENY"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Cache-Control", "no-store"}};
  response.body = std::move(body);
  return response;
}

http::Response error_response(int status, std::string_view code, std::string_view message) {
  const json::object error{{"error", json::object{{"code", code}, {"message", message}}}};
  return make_response(status, "application/json", json::serialize(error) + "\n");
}

bool is_loopback_host(std::string_view host) {
  std::string name(without_port(host));
  if (ascii_iequals(name, "localhost")) return true;
  const bool v6 = name.starts_with('[') && name.ends_with(']');
  if (v6) name = name.substr(1, name.size() - 2);
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(name, ec);
  return !ec && address.is_v6() == v6 && address.is_loopback();
}

bool Guard::has_token(const http::Request& head) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (http::count_header(head.headers, "Authorization") != 1) return false;
  const std::string_view value = *http::find_header(head.headers, "Authorization");
  return value.size() > kScheme.size() && ascii_iequals(value.substr(0, kScheme.size()), kScheme) &&
         constant_time_equal(value.substr(kScheme.size()), token_);
}

std::optional<http::Response> Guard::refusal(const http::Request& head) const {
  const std::string* host = http::find_header(head.headers, "Host");
  if (!host || !is_loopback_host(*host))
    return error_response(421, "host_not_allowed", "Ask by a loopback address, such as http://127.0.0.1.");
  if (!is_same_origin(head, *host))
    return error_response(403, "cross_origin", "Only the inspector's own page may ask this.");
  if (!head.path().starts_with("/api/")) return std::nullopt;
  if (!is_own_fetch(head))
    return error_response(403, "cross_origin", "Only the inspector's own page may ask this.");
  if (has_token(head)) return std::nullopt;
  return error_response(
      401, "token_needed",
      "Open the URL that `postern-agent status` shows: it has the token of this start. With "
      "curl, send it as Authorization: Bearer TOKEN.");
}

}  // namespace postern::agent::inspector
