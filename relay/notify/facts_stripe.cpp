#include "relay/notify/facts.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {
namespace {

using boost::json::value;
using json_read::integer;
using json_read::text;

/// The object says what it is; the type's first words do, should it not.
std::string kind_of(const value& object, std::string_view type) {
  if (std::string kind = text(object, {"/object"}); !kind.empty()) return kind;
  if (type.starts_with("checkout.session.")) return "checkout.session";
  if (type.starts_with("customer.subscription.")) return "subscription";
  return std::string(type.substr(0, type.find('.')));
}

std::optional<std::int64_t> first_positive(const value& object,
                                           std::initializer_list<std::string_view> pointers) {
  std::optional<std::int64_t> found;
  for (const std::string_view pointer : pointers) {
    const auto amount = integer(object, pointer);
    if (amount && *amount > 0) return amount;
    if (!found) found = amount;
  }
  return found;
}

std::optional<std::int64_t> minor_units(const value& object, const std::string& kind, std::string_view type) {
  if (kind == "invoice") {
    const bool unpaid = type.ends_with("payment_failed") || type.ends_with("action_required");
    return unpaid ? integer(object, "/amount_due")
                  : first_positive(object, {"/amount_paid", "/amount_due", "/total"});
  }
  if (kind == "checkout.session") return integer(object, "/amount_total");
  if (kind == "payment_intent") return first_positive(object, {"/amount_received", "/amount"});
  if (type == "charge.refunded") return integer(object, "/amount_refunded");
  return integer(object, "/amount");
}

/// What the customer pays a period; none for tiered and metered prices, which have no amount of their own.
std::optional<Money> subscription_price(const value& object) {
  auto unit = integer(object, "/items/data/0/price/unit_amount");
  if (!unit) unit = integer(object, "/plan/amount");
  if (!unit) return std::nullopt;
  auto quantity = integer(object, "/items/data/0/quantity");
  if (!quantity) quantity = integer(object, "/quantity");
  const std::string currency = text(object, {"/currency", "/items/data/0/price/currency", "/plan/currency"});
  return times({*unit, stripe_exponent(currency), currency}, quantity.value_or(1));
}

std::optional<Money> amount(const value& object, const std::string& kind, std::string_view type) {
  if (kind == "subscription") return subscription_price(object);
  const auto units = minor_units(object, kind, type);
  if (!units) return std::nullopt;
  const std::string currency = text(object, {"/currency"});
  return Money{*units, stripe_exponent(currency), currency};
}

std::string customer(const value& object, const std::string& kind) {
  const bool is_customer = kind == "customer";
  std::string name = text(object, {"/customer_name", "/customer_details/name", "/billing_details/name",
                                   is_customer ? "/name" : "/shipping/name"});
  std::string email = text(object, {"/customer_email", "/customer_details/email", "/billing_details/email",
                                    "/receipt_email", is_customer ? "/email" : "/customer_email"});
  std::string known = person(std::move(name), std::move(email));
  return known.empty() ? text(object, {"/customer/id", "/customer"}) : known;
}

}  // namespace

Facts stripe_facts(const value& body, std::string_view type) {
  const value* object = json_read::find(body, "/data/object");
  if (!object) return {};
  const std::string kind = kind_of(*object, type);
  Facts facts;
  facts.amount = amount(*object, kind, type);
  facts.customer = customer(*object, kind);
  facts.subject = text(*object, {"/number", "/id"});
  facts.detail =
      text(*object, {"/description", "/last_payment_error/message", "/failure_message", "/plan/nickname"});
  return facts;
}

}  // namespace postern::relay
