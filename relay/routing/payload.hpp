#pragma once
#include "base/error.hpp"
#include "relay/model.hpp"
#include "relay/routing/jv.hpp"

/// From what a transform gives to what is sent.
///
///   any value but the next                               the JSON body; Content-Type: application/json
///   {"$body": …, "$content_type": "…", "$headers": {…}}  the first is needed. With a content type, a string
///   is sent
///                                                        as it is; everything else is sent as JSON. A header
///                                                        is a string or an array of strings
namespace postern::relay {

inline constexpr std::size_t kPayloadHeadersMax = 32;
inline constexpr std::size_t kPayloadHeaderBytesMax = 8 * 1024;

/// In the worker. Errors: `too_large`, `shape`.
Result<Payload> payload_of(Jv value);

/// In the relay, of what a worker said: headers that can be sent, and none that are the relay's own or speak
/// to the next hop only. Error `shape`, naming the header.
Result<void> check_payload(const Payload& payload);

}  // namespace postern::relay
