#include "relay/destinations/slack_answer.hpp"

#include <algorithm>
#include <array>

namespace postern::relay {
namespace {

// From Slack's "Error handling for incoming webhooks" and what its endpoints are known to answer.
constexpr std::array<std::string_view, 21> kPermanent = {
    "action_prohibited", "channel_is_archived",
    "channel_not_found", "invalid_attachments",
    "invalid_blocks",    "invalid_payload",
    "invalid_token",     "missing_text_or_fallback_or_attachments",
    "no_active_hooks",   "no_service",
    "no_service_id",     "no_team",
    "no_text",           "posting_to_general_channel_denied",
    "restricted_action", "team_disabled",
    "token_revoked",     "too_many_attachments",
    "too_many_blocks",   "user_not_found",
    "account_inactive"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::string_view permanent_slack_error(std::string_view body) {
  const auto found = std::find(kPermanent.begin(), kPermanent.end(), trim(body));
  return found == kPermanent.end() ? std::string_view() : *found;
}

bool is_slack_success(int status, std::string_view body) {
  return status == 200 && trim(body) == "ok";
}

}  // namespace postern::relay
