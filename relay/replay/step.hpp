#pragma once
#include "relay/replay/ahead.hpp"

namespace postern::relay {

struct StepContext {
  std::string runner;  ///< 16 bytes that tell this node from others, and stay when it starts again
  Duration lease = std::chrono::seconds(10);  ///< how long nobody else goes on after this step
  PaceLimits limits{};
};

/// One bounded piece of a replay, in one transaction: takes it, counts what has ended, looks at the next
/// deliveries and makes new ones as far as rate and room allow. Returns how many it made; nullopt when it is
/// another's or not running any more. A step is whole or not at all, and of two that do the same one only one
/// is kept. `decisions` are looked at under the current configuration only.
Result<std::optional<std::size_t>> replay_step(Transaction& tx, const ReplayRepository::Due& which,
                                               const StepContext& context, const Decisions& decisions,
                                               IdGenerator& ids, Time now);

/// Takes it, or keeps it, for the lease: before work for its next step that takes a while. False when it is
/// another's or not running any more.
bool replay_hold(Transaction& tx, const ReplayRepository::Due& which, const StepContext& context, Time now);

/// Ends it as failed; whoever looks at it finds `why`.
Result<void> replay_fail(Transaction& tx, const ReplayRepository::Due& which, std::string why, Time now);

}  // namespace postern::relay
