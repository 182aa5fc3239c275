#pragma once
#include <optional>
#include <string>

#include "base/http/server.hpp"

/// Who may ask the inspector. Pure.
namespace postern::agent::inspector {

/// Every answer's headers: nothing is kept by a browser, shown in a frame, or run that is not the page's own.
http::Response make_response(int status, std::string_view content_type, std::string body);
/// {"error":{"code":…,"message":…}}
http::Response error_response(int status, std::string_view code, std::string_view message);

/// A web page that somebody has open on this host must not reach the inspector, and neither must another user
/// of the host:
///  - Host is localhost or a literal loopback address. A name that was made to lead here (DNS rebinding) is
///    neither. Any port: behind `ssh -L` it is another one, and it proves nothing.
///  - Origin, when there is one, is this very address, port included; Sec-Fetch-Site is same-origin or none.
///  - What is under /api needs `Authorization: Bearer TOKEN`, which no other origin can send: its browser
///  would
///    ask first (CORS), and is told no. The page has the token from the fragment of its URL, which is never
///    sent.
class Guard {
 public:
  explicit Guard(std::string token) : token_(std::move(token)) {}

  /// nullopt: it may. 421 `host_not_allowed`, 403 `cross_origin`, 401 `token_needed`.
  std::optional<http::Response> refusal(const http::Request& head) const;

 private:
  bool has_token(const http::Request& head) const;
  std::string token_;
};

/// localhost, 127.0.0.0/8 or [::1], with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace postern::agent::inspector
