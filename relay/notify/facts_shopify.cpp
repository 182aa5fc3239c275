#include "relay/notify/facts.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {
namespace {

using boost::json::value;
using json_read::text;

std::string full_name(const value& body, std::string_view at) {
  const std::string prefix(at);
  const std::string first = text(body, {prefix + "/first_name"});
  const std::string last = text(body, {prefix + "/last_name"});
  return first.empty() || last.empty() ? first + last : first + " " + last;
}

/// Customer topics are the customer; order topics have one inside.
std::string customer(const value& body) {
  const bool has_customer = json_read::find(body, "/customer") != nullptr;
  std::string name = full_name(body, has_customer ? "/customer" : "");
  std::string email = text(body, {"/email", "/contact_email", "/customer/email", "/destination/email"});
  if (name.empty()) name = text(body, {"/billing_address/name", "/destination/name"});
  return person(std::move(name), std::move(email));
}

std::string order(const value& body) {
  std::string name = text(body, {"/name"});  // "#1001": as the shop's own people call it
  if (!name.empty()) return name;
  const std::string number = text(body, {"/order_number"});
  return number.empty() ? text(body, {"/id"}) : "#" + number;
}

}  // namespace

Facts shopify_facts(const value& body) {
  Facts facts;
  const std::string price = text(body, {"/total_price", "/current_total_price"});
  if (!price.empty()) facts.amount = parse_money(price, text(body, {"/currency", "/presentment_currency"}));
  facts.customer = customer(body);
  facts.subject = order(body);
  facts.detail = text(body, {"/cancel_reason", "/shipment_status", "/financial_status", "/status"});
  return facts;
}

}  // namespace postern::relay
