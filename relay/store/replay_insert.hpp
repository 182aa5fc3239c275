#pragma once
#include "relay/store/event_log.hpp"
#include "relay/store/repositories.hpp"

namespace postern::relay {

struct NewReplay {
  WorkspaceId workspace_id;
  std::int64_t event_row = 0;
  SourceId source_id;
  DestinationId destination_id;
  std::optional<DeliveryId> replay_of{};
};
/// A pending delivery of an event that is stored already, due at `at`, with the bytes that the one it repeats
/// was sent, and in the order that its destination asks for now: with Ordering::key under the same key.
DeliveryId insert_replay(Transaction& tx, const NewReplay& replay, IdGenerator& ids, Time now, Time at);

/// The same, as its route has decided it: with the bytes and in the order that `decided` says, under its id.
void insert_decided(Transaction& tx, const NewReplay& replay, const NewDelivery& decided, Time now, Time at);

/// Whether that event is about to go with all others of its day: nothing new may refer to it.
bool is_going(Transaction& tx, std::int64_t event_row);

}  // namespace postern::relay
