#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::http {

struct Header {
  std::string name;  ///< case as received
  std::string value;
  bool operator==(const Header&) const = default;
};
/// In order of arrival, repeats kept.
using Headers = std::vector<Header>;

/// First header of that name (ASCII case-insensitive); null when absent.
const std::string* find_header(const Headers& headers, std::string_view name);
std::size_t count_header(const Headers& headers, std::string_view name);

/// A request as it came in. `target` is the raw bytes between the method and the version.
struct Request {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;
  std::string peer;        ///< "address:port" of the socket, never from a header
  std::uint32_t note = 0;  ///< what the handler said to itself when it saw the head (ReadBody::note)

  std::string_view path()
      const;  ///< target up to '?', still percent-encoded; without the authority of an absolute-form
  std::string_view query() const;  ///< after '?', empty without one
};

struct Response {
  int status = 200;
  Headers headers;  ///< without framing: Content-Length, Connection and Date are the server's
  std::string body;
  bool close = false;  ///< close the connection after this answer
};

std::string_view reason_phrase(int status);

/// Percent-decodes; nullopt on a bad escape or a NUL. '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);
/// Percent-encodes all but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);
/// The decoded values of `name` in a query or form body ('+' is a blank there), in order.
std::vector<std::string> query_values(std::string_view query, std::string_view name);

}  // namespace postern::http
