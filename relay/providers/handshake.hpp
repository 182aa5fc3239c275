#pragma once
#include <optional>
#include <string_view>

#include "base/http/message.hpp"
#include "relay/providers/provider.hpp"

namespace postern::relay {

/// The answer to a provider's handshake, or nullopt when the request is an ordinary event. Call it only with
/// a request whose signature has been verified: echoing is then for the provider alone, and what is echoed is
/// a short word of harmless characters in text/plain, never something chosen to be run or signed.
///
/// Slack's url_verification (api.slack.com/events/url_verification): a JSON body of at most 4 KiB with
/// "type":"url_verification" and a "challenge" of 1 to 256 letters, digits, and -._~+/=. One that breaks
/// these rules is answered 400 `challenge_refused`. Either way it is not an event.
std::optional<http::Response> answer_handshake(const Provider& provider, const http::Headers& headers,
                                               std::string_view body);

}  // namespace postern::relay
