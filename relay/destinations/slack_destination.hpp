#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/http/client.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/destinations/slack_pacer.hpp"

namespace postern::relay {

struct SlackDestinationParts {
  std::unique_ptr<http::Client> client;
  EgressPolicy policy;
  std::optional<http::Origin> stand_in;  ///< dialled in place of the URL's own origin; path and query stay
  std::string event_link_base;           ///< "https://relay.example/console"; empty: no links
  std::shared_ptr<SlackPacer> pacer;     ///< one for all loops
};

/// Attempts at Slack's incoming webhooks: one message an event. Belongs to one loop.
///
/// A message waits for its slot in here for at most half of the destination's timeout and ten seconds; a
/// longer backlog is `not_sent`, uncounted, with code "paced" and a retry_after, and is spread out by the
/// pacer. Answers that no retry can change are final; 429 stops the URL for as long as Slack asks.
class SlackDestination final : public DestinationDriver {
 public:
  SlackDestination(SlackDestinationParts parts, const Clock& clock)
      : parts_(std::move(parts)), clock_(clock) {}

  boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) override;

 private:
  void record_reply(AttemptResult& result, http::ClientResponse reply, const Destination& destination);

  SlackDestinationParts parts_;
  const Clock& clock_;
};

}  // namespace postern::relay
