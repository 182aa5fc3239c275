#pragma once
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "relay/model.hpp"
#include "relay/notify/money.hpp"

namespace postern::relay {

/// What a person wants to know of an event at first sight. Raw text as the provider sent it: hostile until
/// escaped.
struct Facts {
  std::optional<Money> amount;
  std::string customer;  ///< "Name (email)", or the one of them that is known
  std::string subject;   ///< invoice or order number, "owner/repo#12", channel
  std::string detail;    ///< title, memo, status: one more line
};

/// Bodies beyond this are not read: a message is not worth holding up a loop.
inline constexpr std::size_t kMostFactBytes = 512 * 1024;

/// Reads what it knows of this provider (stripe, shopify, github, chargify, slack); of any other, or of a
/// body that is not what it should be, no facts. Never fails.
Facts extract_facts(std::string_view provider, const Event& event);

/// One function a provider, each in a file of its own.
Facts stripe_facts(const boost::json::value& body, std::string_view type);
Facts shopify_facts(const boost::json::value& body);
Facts github_facts(const boost::json::value& body);
Facts slack_facts(const boost::json::value& body);
Facts chargify_facts(std::string_view form_body);

/// "Name (email)", or whichever there is.
std::string person(std::string name, std::string email);

}  // namespace postern::relay
