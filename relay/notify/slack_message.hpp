#pragma once
#include <string>
#include <string_view>

#include "relay/model.hpp"
#include "relay/notify/facts.hpp"

namespace postern::relay {

struct SlackMessageInput {
  const Event& event;
  const Source* source = nullptr;  ///< null when it has been deleted
  std::string_view link_base;      ///< absolute URL of the console, no trailing slash needed; empty: no link
};

/// The JSON body for an incoming webhook: blocks, and a fallback `text` for notifications and screen readers.
///  - header: the event's type, and the amount where there is one;
///  - section: amount, customer, subject, detail, as far as known;
///  - context: source, provider, time in the reader's own zone, "unverified" when nobody vouched for the
///  event;
///  - context: link to the event, and its id.
/// All foreign text is escaped and cut (relay/notify/text.hpp); links are never unfurled; the limits of Block
/// Kit (150 characters a header, 2000 a field, 3000 a text, 10 fields, 50 blocks) hold for any input. Pure.
std::string slack_message(const SlackMessageInput& input);
/// The same, of facts already known.
std::string slack_message(const SlackMessageInput& input, const Facts& facts);

}  // namespace postern::relay
