#pragma once
#include <string>
#include <string_view>

#include "base/http/message.hpp"

namespace postern::http {

/// The value of a Date field for this second (RFC 9110, section 5.6.7). Valid until the thread's next call.
std::string_view http_date();

/// Appends status line, Date, framing, the response's own fields and the blank line to `out`. Content-Length,
/// Transfer-Encoding, Connection and Date among the fields are left out: framing is the server's.
/// false when a field's name or value holds a byte it must not: `out` is then as it was.
bool write_response_head(std::string& out, const Response& response, bool close);

/// 204 and 304 carry no body (RFC 9110, section 6.4.1).
bool status_has_body(int status);

}  // namespace postern::http
