#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "relay/model.hpp"

/// What an event is called in the business's own words, whoever sent it, and which events are nobody's
/// business but the store's. Pure.
namespace postern::relay {

/// One row of the map that ships.
struct DomainRule {
  std::string_view provider;
  std::string_view topic;  ///< the event's type, in the provider's words
  std::string_view name;   ///< "order.created"; empty: a compliance request, kept and not published
};
/// Orders, catalog, stock and apps of Shopify, payments, subscriptions and customers of Stripe. Compliance
/// requests of Shopify (GDPR) name people who want to be forgotten: copies of them must not spread by
/// themselves.
std::span<const DomainRule> default_domain_map();

/// A destination's own words: {"stripe:invoice.paid": "billing.paid", "github:push": null}, where null means:
/// don't publish. They win over the map that ships, over compliance too: whoever names such a topic means it.
class EventMap {
 public:
  static constexpr std::size_t kMostEntries = 256;
  static constexpr std::size_t kMostTopicBytes = 160;
  static constexpr std::size_t kMostNameBytes = 128;

  EventMap() = default;
  /// "" is the empty map. `invalid_event_map`: not such an object, an unknown provider, a name that is not
  /// made of a-z, A-Z, 0-9, - and _ in parts separated by dots, or too much of anything. The message names
  /// the entry.
  static Result<EventMap> parse(std::string_view json);

  /// Null when it says nothing about this event.
  const std::optional<std::string>* find(std::string_view provider, std::string_view type) const;

 private:
  std::map<std::string, std::optional<std::string>, std::less<>> entries_;
};

struct DomainEvent {
  bool publish = true;
  std::string name;             ///< empty when the map has none: the provider's own word is all there is
  std::string_view withheld{};  ///< why not: "compliance_topic_not_published", "not_published_by_event_map"
};
/// `provider` is empty when the event's source has been deleted: then no name is known, and a topic that is a
/// compliance request of any provider is taken for one.
DomainEvent domain_event(std::string_view provider, std::string_view type, const EventMap& own);

/// What ties this event to whatever else belongs to it: X-Correlation-ID of the request when it has one of 1
/// to 128 visible ASCII characters, else the event's own id. The same over all destinations, retries and
/// replays.
std::string correlation_id(const Event& event);

}  // namespace postern::relay
