#include "relay/notify/slack_message.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "relay/notify/text.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

// Slack's limits are 150, 2000 and 3000; what a person reads at a glance is less.
constexpr std::size_t kHeaderLimit = 150;
constexpr std::size_t kFieldLimit = 500;
constexpr std::size_t kNameLimit = 100;
constexpr std::size_t kFallbackLimit = 1000;

constexpr std::string_view kDot = " \xc2\xb7 ";  // U+00B7

/// `verbatim` keeps Slack from turning names and addresses in the text into links of its own.
json::object mrkdwn(std::string text) {
  return {{"type", "mrkdwn"}, {"text", std::move(text)}, {"verbatim", true}};
}

std::string source_name(const SlackMessageInput& input) {
  return input.source ? input.source->name : "deleted source";
}

std::string title(const SlackMessageInput& input) {
  return input.event.type.empty() ? "Event from " + source_name(input) : input.event.type;
}

std::string amount_tail(const Facts& facts) {
  return facts.amount ? std::string(kDot) + format_money(*facts.amount) : std::string();
}

json::object header_block(const SlackMessageInput& input, const Facts& facts) {
  const std::string tail = amount_tail(facts);  // stays whole, however long the type is
  const std::string text = plain_text(title(input), kHeaderLimit - tail.size()) + tail;
  return {{"type", "header"},
          {"text", json::object{{"type", "plain_text"}, {"text", text}, {"emoji", false}}}};
}

void add_field(json::array& fields, std::string_view label, std::string_view value) {
  const std::string shown = mrkdwn_text(value, kFieldLimit);
  if (!shown.empty()) fields.push_back(mrkdwn("*" + std::string(label) + "*\n" + shown));
}

json::array fact_fields(const Facts& facts, std::string_view provider) {
  const bool is_trade = provider != "github" && provider != "slack";
  json::array fields;
  if (facts.amount) add_field(fields, "Amount", format_money(*facts.amount));
  add_field(fields, is_trade ? "Customer" : "By", facts.customer);
  add_field(fields, "Subject", facts.subject);
  add_field(fields, "Detail", facts.detail);
  return fields;
}

/// Slack's own date mark-up, shown in the reader's zone; the part behind '|' is for clients that do not know
/// it.
std::string date_markup(Time at) {
  return "<!date^" + std::to_string(to_unix_seconds(at)) + "^{date_short_pretty} {time_secs}|" +
         to_rfc3339(at) + ">";
}

json::object context_block(std::string text) {
  return {{"type", "context"}, {"elements", json::array{mrkdwn(std::move(text))}}};
}

std::string origin_line(const SlackMessageInput& input) {
  std::string out = "*" + mrkdwn_text(source_name(input), kNameLimit) + "*";
  if (input.source) out.append(kDot).append(mrkdwn_text(input.source->provider, kNameLimit));
  if (!input.event.type.empty()) out.append(kDot).append(mrkdwn_text(input.event.type, kNameLimit));
  out.append(kDot).append(date_markup(input.event.received_at));
  if (!input.event.verified) out.append(kDot).append("*unverified*");
  return out;
}

/// The link's URL is ours, but '>' or '|' in a configured base would end it early.
std::string link_line(const SlackMessageInput& input) {
  const std::string id = input.event.id.to_string();
  std::string_view base = input.link_base;
  while (base.ends_with('/')) base.remove_suffix(1);
  if (base.empty() || base.find_first_of("<>|\" ") != std::string_view::npos) return "`" + id + "`";
  return "<" + mrkdwn_text(base, kFallbackLimit) + "/events/" + id + "|View event>" + std::string(kDot) +
         "`" + id + "`";
}

std::string fallback(const SlackMessageInput& input, const Facts& facts) {
  std::string out = title(input) + amount_tail(facts);
  if (!input.event.type.empty()) out.append(kDot).append(source_name(input));
  for (const std::string& part : {facts.customer, facts.subject}) {
    if (!part.empty()) out.append(kDot).append(part);
  }
  return mrkdwn_text(out, kFallbackLimit);
}

}  // namespace

std::string slack_message(const SlackMessageInput& input, const Facts& facts) {
  json::array blocks;
  blocks.push_back(header_block(input, facts));
  json::array fields =
      fact_fields(facts, input.source ? std::string_view(input.source->provider) : std::string_view());
  if (!fields.empty()) blocks.push_back(json::object{{"type", "section"}, {"fields", std::move(fields)}});
  blocks.push_back(context_block(origin_line(input)));
  blocks.push_back(context_block(link_line(input)));
  const json::object message = {{"text", fallback(input, facts)},
                                {"blocks", std::move(blocks)},
                                {"unfurl_links", false},
                                {"unfurl_media", false}};
  return json::serialize(message);
}

std::string slack_message(const SlackMessageInput& input) {
  return slack_message(input, input.source ? extract_facts(input.source->provider, input.event) : Facts());
}

}  // namespace postern::relay
