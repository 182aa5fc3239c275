#pragma once
#include <memory>

#include "base/id.hpp"
#include "relay/delivery/destination_queue.hpp"

namespace postern::relay {

/// Ids in a known order: the n-th is greater than the one before.
template <class IdType>
IdType nth(std::uint64_t n) {
  IdType id;
  for (std::size_t i = 0; i < 8; ++i) id.uuid[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

inline std::shared_ptr<const Destination> make_destination(std::uint64_t n, unsigned concurrency = 64,
                                                           std::uint64_t workspace = 0) {
  auto destination = std::make_shared<Destination>();
  destination->id = nth<DestinationId>(n);
  destination->workspace_id = nth<WorkspaceId>(workspace);
  destination->concurrency = concurrency;
  return destination;
}

inline LeasedDelivery make_leased(std::uint64_t n, DestinationId destination = nth<DestinationId>(1)) {
  static const auto event = std::make_shared<const Event>();
  LeasedDelivery leased;
  leased.delivery.id = nth<DeliveryId>(n);
  leased.delivery.destination_id = destination;
  leased.event = event;
  return leased;
}

}  // namespace postern::relay
