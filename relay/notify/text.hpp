#pragma once
#include <cstddef>
#include <string>
#include <string_view>

/// Foreign text made fit to stand in a message: whoever chose it (a customer's name, a pull request's title,
/// a header) can neither mention anybody, nor forge a line of ours, nor make Slack refuse the message.
///
/// Both functions take any bytes and return valid UTF-8 on one line: bytes that are not UTF-8 become U+FFFD;
/// control characters, line breaks and runs of blanks become one blank; characters that reorder or hide text
/// (bidi controls, zero-width) are dropped; and the broadcast words @channel, @here, @everyone and @group get
/// a zero-width space behind their '@'. Longer than `limit` characters: cut between two characters, with "…"
/// as the last.
namespace postern::relay {

/// For plain_text objects: '<' and '>' become '‹' and '›', for clients that read mark-up everywhere.
std::string plain_text(std::string_view raw, std::size_t limit);
/// For mrkdwn objects and the fallback text: '&', '<' and '>' become entities, which `limit` counts as they
/// are written, as Slack does; none is ever cut in half.
std::string mrkdwn_text(std::string_view raw, std::size_t limit);

}  // namespace postern::relay
