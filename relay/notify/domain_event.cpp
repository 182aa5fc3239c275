#include "relay/notify/domain_event.hpp"

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

#include "relay/providers/provider.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

constexpr std::string_view kCompliance = "compliance_topic_not_published";
constexpr std::string_view kByMap = "not_published_by_event_map";
constexpr std::size_t kMostCorrelationBytes = 128;

// docs.stripe.com/api/events/types; shopify.dev/docs/api/webhooks. Stripe's failed payment is
// payment_intent.payment_failed; the shorter name is what others have been configured with.
constexpr DomainRule kRules[] = {
    {"shopify", "app/uninstalled", "app.uninstalled"},
    {"shopify", "app_subscriptions/update", "app.subscription_updated"},
    {"shopify", "app_purchases_one_time/update", "app.purchase_updated"},
    {"shopify", "products/create", "catalog.item_created"},
    {"shopify", "products/update", "catalog.item_updated"},
    {"shopify", "products/delete", "catalog.item_deleted"},
    {"shopify", "orders/create", "order.created"},
    {"shopify", "orders/updated", "order.updated"},
    {"shopify", "orders/fulfilled", "order.fulfilled"},
    {"shopify", "orders/cancelled", "order.cancelled"},
    {"shopify", "inventory_levels/update", "inventory.updated"},
    {"shopify", "inventory_items/update", "inventory.item_updated"},
    {"shopify", "customers/data_request", ""},
    {"shopify", "customers/redact", ""},
    {"shopify", "shop/redact", ""},
    {"stripe", "payment_intent.succeeded", "payment.succeeded"},
    {"stripe", "payment_intent.payment_failed", "payment.failed"},
    {"stripe", "payment_intent.failed", "payment.failed"},
    {"stripe", "customer.subscription.created", "subscription.created"},
    {"stripe", "customer.subscription.updated", "subscription.updated"},
    {"stripe", "customer.subscription.deleted", "subscription.cancelled"},
    {"stripe", "customer.created", "customer.created"},
    {"stripe", "customer.updated", "customer.updated"},
};

std::unexpected<Error> wrong(std::string_view key, std::string_view what) {
  return fail("invalid_event_map", fmt::format("\"{}\": {}", key, what));
}

bool is_domain_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= EventMap::kMostNameBytes && std::ranges::all_of(name, fits) &&
         name.front() != '.' && name.back() != '.' && name.find("..") == std::string_view::npos;
}

Result<void> check_key(std::string_view key) {
  const auto colon = key.find(':');
  if (colon == std::string_view::npos || colon + 1 == key.size())
    return wrong(key, "a key is a provider, a colon and a topic, such as \"stripe:invoice.paid\"");
  if (key.size() - colon - 1 > EventMap::kMostTopicBytes)
    return wrong(key.substr(0, 64), fmt::format("a topic has at most {} bytes", EventMap::kMostTopicBytes));
  if (find_provider(key.substr(0, colon)) == nullptr)
    return wrong(key, fmt::format("there is no such provider; there are {}", provider_names()));
  return {};
}

Result<std::optional<std::string>> read_name(std::string_view key, const json::value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string() && is_domain_name(value.get_string())) return std::string(value.get_string());
  return wrong(key,
               fmt::format("a name has 1 to {} of a-z, A-Z, 0-9, - and _ in parts separated by dots, such as "
                           "\"order.created\"; null publishes nothing",
                           EventMap::kMostNameBytes));
}

const DomainRule* rule_of(std::string_view provider, std::string_view type) {
  const auto found = std::ranges::find_if(kRules, [&](const DomainRule& rule) {
    const bool from = provider.empty() ? rule.name.empty() : rule.provider == provider;
    return from && rule.topic == type;
  });
  return found == std::end(kRules) ? nullptr : found;
}

}  // namespace

std::span<const DomainRule> default_domain_map() {
  return kRules;
}

Result<EventMap> EventMap::parse(std::string_view text) {
  EventMap map;
  if (text.empty()) return map;
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return fail("invalid_event_map", "must be a JSON object");
  if (parsed.get_object().size() > kMostEntries)
    return fail("invalid_event_map", fmt::format("must have at most {} entries", kMostEntries));
  for (const auto& [key, value] : parsed.get_object()) {
    if (auto ok = check_key(key); !ok) return std::unexpected(ok.error());
    auto name = read_name(key, value);
    if (!name) return std::unexpected(name.error());
    map.entries_.emplace(key, std::move(*name));
  }
  return map;
}

const std::optional<std::string>* EventMap::find(std::string_view provider, std::string_view type) const {
  if (entries_.empty()) return nullptr;
  const auto found = entries_.find(fmt::format("{}:{}", provider, type));
  return found == entries_.end() ? nullptr : &found->second;
}

DomainEvent domain_event(std::string_view provider, std::string_view type, const EventMap& own) {
  if (const auto* entry = own.find(provider, type)) {
    if (!*entry) return {false, {}, kByMap};
    return {true, **entry, {}};
  }
  const DomainRule* rule = rule_of(provider, type);
  if (rule == nullptr) return {};
  if (rule->name.empty()) return {false, {}, kCompliance};
  return {true, std::string(rule->name), {}};
}

std::string correlation_id(const Event& event) {
  const std::string* given = http::find_header(event.headers, "X-Correlation-ID");
  const auto visible = [](char c) { return c > ' ' && c < '\x7f'; };
  const bool usable = given != nullptr && !given->empty() && given->size() <= kMostCorrelationBytes &&
                      std::ranges::all_of(*given, visible);
  return usable ? *given : event.id.to_string();
}

}  // namespace postern::relay
