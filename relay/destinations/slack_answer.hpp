#pragma once
#include <string_view>

namespace postern::relay {

/// Slack's incoming webhooks say "ok", or an error word as plain text. The word when it means that no retry
/// can help (the webhook, its channel or its team is gone, or the message is one Slack will never take); else
/// "".
std::string_view permanent_slack_error(std::string_view body);
/// A success is 200 with "ok": a proxy's 200 with a page of its own is none.
bool is_slack_success(int status, std::string_view body);

}  // namespace postern::relay
