#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "relay/bus/nats_client.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/destinations/nats_subject.hpp"

namespace postern::relay {

/// What the NATS drivers of all loops share.
struct NatsDestinationParts {
  std::shared_ptr<NatsClient> client;  ///< null: nats.url is not set
  std::string subject_prefix{kDefaultSubjectPrefix};
  std::function<std::string(WorkspaceId)> workspace_name;  ///< safe from any thread; "" when there is none
};

/// Publishes events to JetStream and waits for its acknowledgement. The server is the operator's: a
/// destination says only on which subject below its own workspace's, so no tenant's setting makes the relay
/// dial anything.
///
/// While NATS is away an attempt ends at once, unsent and uncounted. An event the domain map withholds (a
/// compliance request) ends its delivery at once with the reason as its code, unsent and uncounted.
class NatsDestination final : public DestinationDriver {
 public:
  NatsDestination(NatsDestinationParts parts, const Clock& clock) : parts_(std::move(parts)), clock_(clock) {}

  boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) override;

 private:
  /// nullopt when the attempt has ended without a message; `result` says how.
  std::optional<NatsMessage> message_for(const AttemptJob& job, AttemptResult& result) const;

  const NatsDestinationParts parts_;
  const Clock& clock_;
};

}  // namespace postern::relay
