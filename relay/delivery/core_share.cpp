// What nodes tell each other of the breaker of a destination.
#include "relay/delivery/breaker_blob.hpp"
#include "relay/delivery/core_guard.hpp"

namespace postern::relay {
namespace {

// Long enough for a node that was cut off to hear of it when it is back.
constexpr Duration kToldFor = std::chrono::hours(1);

}  // namespace

void DispatcherCore::tell_breaker(Queue& queue, bool by_reset) {
  if (parts_.breakers == nullptr) return;
  const Time now = parts_.clock.now();
  BreakerSnapshot state = queue.breaker().snapshot();
  state.by_reset = by_reset;
  queue.told = {next_breaker_version(queue.told.version, now), to_blob(state)};
  parts_.breakers->publish(queue.id(), queue.told, kToldFor + std::max(state.probe_at - now, Duration{}));
}

void DispatcherCore::on_breaker_heard(DestinationId id) {
  Queue* queue = find(id);
  if (queue != nullptr && !queue->retired) take_over_breaker(*queue);
}

// The board is asked rather than the event believed: this node may have told something newer since.
void DispatcherCore::take_over_breaker(Queue& queue) {
  if (parts_.breakers == nullptr) return;
  const auto known = parts_.breakers->known(queue.id());
  if (!known || *known == queue.told) return;
  queue.told = *known;
  auto heard = breaker_from_blob(known->blob);
  if (!heard && !std::exchange(told_garbled_, true))
    log::warn("breakers.garbled", {{"destination", queue.id()}, {"meaning", "it is ignored"}});
  if (!heard) return;
  if (heard->by_reset && queue.parts()) queue.parts()->reset();
  if (heard->state == BreakerState::open)
    heard->probe_at = probe_turn(*heard, 0.5 + parts_.random.unit() / 2);
  const bool moved = queue.breaker().restore(*heard, parts_.clock.now());
  weigh(queue, *heard, moved);
  if (moved) follow_breaker(queue);
  queue.publish_breaker(parts_.clock.now());
  touch(queue);
}

void DispatcherCore::weigh(Queue& queue, const BreakerSnapshot& heard, bool moved) {
  if (heard.state != BreakerState::closed || heard.by_reset) {
    queue.own_view.settle();
  } else if (moved) {
    queue.own_view.found_up_elsewhere(queue.destination()->breaker.probes);
  }
}

}  // namespace postern::relay
