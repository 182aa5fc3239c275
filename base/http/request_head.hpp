#pragma once
#include <string>

#include "base/http/client.hpp"

namespace postern::http {

/// The bytes of a request up to its body. Host comes first unless the caller set one; Content-Length comes
/// last unless set, for every body and for POST, PUT and PATCH without one. Error `invalid_request`: a byte
/// that would break the framing, a second Host or Content-Length, a Content-Length that is not the body's, or
/// a Transfer-Encoding.
Result<std::string> write_request_head(const Origin& origin, const ClientRequest& request);

}  // namespace postern::http
