// The apps behind agents: which can be reached, and how many attempts each may have at once.
#include "base/http/canonical_host.hpp"
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
  return AppAddress{*destination.agent_id, http::canonical_host(host),
                    socket ? std::uint16_t{0} : url->origin.port};
}

}  // namespace

/// Of a destination that is new or has changed.
void DispatcherCore::join_app(Queue& queue) {
  const auto at = app_of(*queue.destination());
  if (queue.app() && at && queue.app()->at == *at) return;
  leave_app(queue);
  if (!at) return;
  queue.give_app(apps_.join(*at));
  ask_again(queue);
}

void DispatcherCore::leave_app(Queue& queue) {
  if (!queue.app()) return;
  const auto app = queue.app();
  queue.leave_app_line();
  queue.give_app(nullptr);
  apps_.leave(*app);
  stir(app);  // a place may have been kept for it
}

/// True when it has changed.
bool DispatcherCore::ask_app(AppPlaces& app) {
  const AppAddress& at = app.at;
  const auto most = parts_.agents.app_places(at.agent, at.host, at.port);
  const bool away = parts_.agents.app_away(at.agent, at.host, at.port).has_value();
  const bool news = std::exchange(app.most, most) != most;
  return std::exchange(app.away, away) != away || news;
}

bool DispatcherCore::ask_again(const Queue& queue) {
  if (!queue.app() || !ask_app(*queue.app())) return false;
  stir(queue.app());
  return true;
}

/// Once for each app of these queues, however many of them lead to one.
void DispatcherCore::ask_apps(std::span<Queue* const> queues) {
  ++look_;
  for (const Queue* queue : queues) {
    const auto& app = queue->app();
    if (!app || std::exchange(app->asked, look_) == look_) continue;
    app->news = ask_again(*queue);
  }
}

/// It may have places to give.
void DispatcherCore::stir(const std::shared_ptr<AppPlaces>& app) {
  if (app->waiting.empty() || std::exchange(app->stirred, true)) return;
  stirred_.push_back(app);
}

/// Keeps the free places of those apps for the front of their lines. True when anybody has been called.
bool DispatcherCore::call_waiting() {
  bool called = false;
  std::erase_if(stirred_, [&](const std::shared_ptr<AppPlaces>& app) {
    while (app->room() > 0 && !app->waiting.empty()) {
      Queue& front = *app->waiting.front();
      front.call();
      ring_.add(front);
      if (front.in_ring) called = true;
      if (!front.in_ring) front.uncall();  // it has been stopped, or is paced: it joins again when it is not
    }
    // Who has been called may still find that it cannot start, and then it is the next one's turn.
    app->stirred = app->called > 0;
    return !app->stirred;
  });
  return called;
}

void DispatcherCore::take_place(Launch& launch) {
  Queue& queue = *launch.ticket.queue;
  launch.ticket.app = queue.app();
  if (queue.app()) queue.take_app_place();
}

void DispatcherCore::leave_place(const Ticket& ticket) {
  if (!ticket.app) return;
  AppPlaces& app = *ticket.app;
  --app.taken;
  stir(ticket.app);
  apps_.forget_if_idle(app);
}

/// Its agent answered that the app has as many as it takes, while there should be a place: others hold them.
/// After leave_place().
bool DispatcherCore::refused_by_app(const Ticket& ticket, const AttemptResult& result) {
  if (!ticket.app) return false;
  AppPlaces& app = *ticket.app;
  if (result.attempt.outcome != Outcome::not_sent) app.got_in();
  if (!result.app_full || !app.most) return false;
  if (const auto pause = app.refused()) {
    // Nodes that meet there are not to meet again.
    const double part = 0.5 + parts_.random.unit() / 2;
    const Duration jittered(static_cast<std::int64_t>(static_cast<double>(pause->count()) * part));
    pauses_.emplace(parts_.clock.steady() + jittered, ticket.app);
    arm_alarm();
  }
  return true;
}

void DispatcherCore::end_pauses(SteadyTime now) {
  while (!pauses_.empty() && pauses_.begin()->first <= now) {
    const auto app = pauses_.begin()->second;
    pauses_.erase(pauses_.begin());
    app->resume();
    stir(app);
    schedule_turn();
  }
}

}  // namespace postern::relay
