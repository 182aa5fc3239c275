#pragma once
#include <boost/json.hpp>

#include <span>

#include "control/api/services.hpp"
#include "relay/model.hpp"
#include "relay/store/agent_session_repository.hpp"
#include "relay/store/repositories.hpp"

/// What the API shows of each thing. Secrets are never in here.
namespace postern::control {

boost::json::object view(const relay::Source& source, const ApiServices& services);
boost::json::object view(const relay::Destination& destination, const ApiServices& services);
boost::json::object view(const relay::Route& route);
/// `session`: what the store says of it; null when that says nothing, or need not be asked.
boost::json::object view(const relay::Agent& agent, const relay::AgentSession* session,
                         const ApiServices& services);
boost::json::object view(const relay::EventSummary& event);
boost::json::object view(const relay::StoredEvent& event, std::span<const relay::Delivery> deliveries);
boost::json::object view(const relay::Delivery& delivery);
boost::json::object view(const relay::Payload& payload);
boost::json::object view(const relay::Attempt& attempt);
boost::json::object view(const relay::AuditEntry& entry);

/// {"per_second": …, "burst": …}; null where the relay's default holds.
boost::json::value rate_view(std::uint32_t per_second, std::uint32_t burst);

/// {"items": […], "next_cursor": "…" or null}
template <class T, class View>
boost::json::value listing(const relay::Listing<T>& found, View view_of) {
  boost::json::array items;
  for (const T& item : found.items) items.push_back(view_of(item));
  boost::json::value next = nullptr;
  if (!found.next_cursor.empty()) next = found.next_cursor;
  return boost::json::object{{"items", std::move(items)}, {"next_cursor", std::move(next)}};
}

/// A Slack webhook URL is itself a secret: only its scheme and host are shown.
std::string shown_url(const relay::Destination& destination);

}  // namespace postern::control
