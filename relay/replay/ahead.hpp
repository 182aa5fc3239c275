#pragma once
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "relay/replay/pace.hpp"
#include "relay/store/event_log.hpp"
#include "relay/store/replay_repository.hpp"

/// Under the current configuration a step needs to know what the routes make of each event. Their programs
/// cannot run inside a transaction, so they are asked before it: about what the step will probably come to.
/// The step itself decides what it takes, and stops before the first delivery that was not asked about.
namespace postern::relay {

/// A delivery that the next step will probably repeat.
struct Ahead {
  DeliveryId id;
  DestinationId destination_id;
  std::shared_ptr<const Event> event;
};

struct Decision {
  std::optional<RouteBasis> basis;      ///< it counts while this is how things are
  std::optional<NewDelivery> delivery;  ///< nullopt: no route goes there any more
};
struct Decisions {
  std::map<DeliveryId, Decision> made;  ///< by the delivery that is repeated
  std::string waits_for = {};           ///< why the programs could not be asked about more; empty: they could
};

/// False for what a step passes by.
bool would_be_sent(const ReplayCandidate& candidate);

/// Of a replay under the current configuration, in the order of its walk: at most 50 and their bodies at most
/// 8 MiB, but always one. Writes nothing. Empty when it may make none now.
std::vector<Ahead> replay_ahead(Transaction& tx, const ReplayRepository::Due& which, const PaceLimits& limits,
                                Time now);

}  // namespace postern::relay
