#pragma once
#include <string_view>

#include "base/error.hpp"
#include "relay/providers/scheme.hpp"

namespace postern::relay {

/// Reads the scheme of a generic-hmac source, as the admin wrote it (at most 8 KiB):
///
///   {
///     "header": "X-Signature",              required
///     "prefix": "sha256=",                  in front of the MAC; default ""
///     "encoding": "hex",                    hex (default), base64, base64url (no padding)
///     "digest": "sha256",                   sha1, sha256 (default), sha512
///     "key": "text",                        how a secret becomes the key: text (default), base64, hex
///     "timestamp": {                        default: none
///       "header": "X-Timestamp",            required
///       "format": "seconds",                seconds (default), milliseconds, rfc3339
///       "tolerance_seconds": 300            1 to 86400, default 300, in both directions
///     },
///     "message": "{timestamp}.{body}",      default "{body}", or with a timestamp as here; {id} is the
///     dedupe header "dedupe": {"header": "X-Id"},         or {"pointer": "/id"}, or "body": a digest of type
///     and body (default) "type": {"header": "X-Event"}         or {"pointer": "/type"}; default: none, then
///     the topic of the URL is it
///   }
///
/// A timestamp that is checked must be signed, and so must stand in the message; the body always must. A
/// dedupe header that stands in the message as {id} has to be there in every request. Error `scheme_invalid`;
/// the message names the field ("scheme.timestamp.format must be …").
Result<Scheme> parse_generic_scheme(std::string_view json);

}  // namespace postern::relay
