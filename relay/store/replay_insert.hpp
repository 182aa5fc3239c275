#pragma once
#include "relay/store/repositories.hpp"

namespace postern::relay {

struct NewReplay {
  WorkspaceId workspace_id;
  std::int64_t event_row = 0;
  SourceId source_id;
  DestinationId destination_id;
  std::optional<DeliveryId> replay_of{};
};
/// A pending delivery of an event that is stored already, due at `at`.
DeliveryId insert_replay(Transaction& tx, const NewReplay& replay, IdGenerator& ids, Time now, Time at);

/// Events whose row is below it are gone or about to go: nothing new may refer to them.
std::int64_t event_floor(Transaction& tx);

}  // namespace postern::relay
