// The apps behind agents, and how many attempts each may have at once.
#include "base/bytes.hpp"
#include "relay/delivery/core_guard.hpp"
#include "relay/destinations/destination_url.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {
namespace {

std::optional<AppAddress> app_of(const Destination& destination) {
  if (destination.kind != DestinationKind::agent || !destination.agent_id) return std::nullopt;
  const auto url = parse_destination_url(DestinationKind::agent, destination.url, EgressPolicy());
  if (!url) return std::nullopt;
  const std::string& host = url->origin.host;
  const bool socket = host.starts_with(http::kUnixHost);
  return AppAddress{*destination.agent_id, socket ? host : ascii_lower(host),
                    socket ? std::uint16_t{0} : url->origin.port};
}

}  // namespace

void DispatcherCore::join_app(Queue& queue) {
  const auto at = app_of(*queue.destination());
  if (queue.app() && at && queue.app()->at == *at) return ask_places(queue);
  leave_app(queue);
  if (!at) return;
  queue.give_app(apps_.join(*at, queue));
  ask_places(queue);
}

void DispatcherCore::leave_app(Queue& queue) {
  if (queue.app()) apps_.leave(queue.app(), queue);
  queue.give_app(nullptr);
}

void DispatcherCore::ask_places(Queue& queue) {
  if (!queue.app()) return;
  const AppAddress& at = queue.app()->at;
  queue.app()->most = parts_.agents.app_places(at.agent, at.host, at.port);
}

/// After its queue has been told and listed: those that have waited longer come first.
void DispatcherCore::leave_place(const Ticket& ticket) {
  if (!ticket.app) return;
  AppPlaces& app = *ticket.app;
  --app.taken;
  if (!app.most) return;
  // No more of them than can start: one app may have very many destinations.
  unsigned room = app.has_room() ? *app.most - app.taken : 0;
  for (Queue* queue : app.queues) {
    if (room == 0) return;
    ring_.add(*queue);
    if (queue->in_ring) --room;
  }
}

}  // namespace postern::relay
