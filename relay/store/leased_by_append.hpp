#pragma once
#include <memory>
#include <utility>

#include "relay/store/event_log.hpp"
#include "relay/store/lease_token.hpp"

namespace postern::relay {

/// A delivery that is leased by its own append, its first lease, as the dispatcher gets it: from memory,
/// not read back. `admission` is what it was admitted by, `row` the row it was stored under; `now` is when.
inline LeasedDelivery leased_by_append(std::shared_ptr<const Event> event, const NewDelivery& wanted,
                                       const Admission& admission, std::int64_t row, Time now) {
  LeasedDelivery leased;
  leased.event = std::move(event);
  leased.payload = wanted.payload;
  leased.term = admission.term;
  leased.lease_token = LeaseToken{row, 1}.pack();
  Delivery& delivery = leased.delivery;
  delivery.id = wanted.id;
  delivery.workspace_id = leased.event->workspace_id;
  delivery.event_id = leased.event->id;
  delivery.source_id = leased.event->source_id;
  delivery.destination_id = wanted.destination_id;
  delivery.state = DeliveryState::leased;
  delivery.next_at = delivery.created_at = delivery.updated_at = now;
  if (wanted.payload) delivery.payload_bytes = wanted.payload->body.size();
  return leased;
}

}  // namespace postern::relay
