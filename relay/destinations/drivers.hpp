#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/client.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/destinations/nats_destination.hpp"
#include "relay/destinations/slack_pacer.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {

/// What the drivers of every loop have in common. Made once, from configuration; copies share the pacer.
struct DriverOptions {
  EgressPolicy egress;          ///< from egress.allow_networks
  std::string ca_file;          ///< extra trust anchors for https destinations, PEM; empty: the system's only
  std::string event_link_base;  ///< the console as people reach it, for links in messages; empty: no links
  /// Where slack destinations are sent in place of their URL's scheme, host and port (a proxy, a test); from
  /// slack.base_url. The operator named it, so the egress policy does not judge it.
  std::optional<http::Origin> slack_stand_in;
  Duration connect_time = std::chrono::seconds(5);
  std::size_t idle_per_origin = 64;
  std::shared_ptr<http::Resolver> resolver;  ///< null: the system's; safe from all loops
  std::shared_ptr<SlackPacer> slack_pacer = std::make_shared<SlackPacer>();
  NatsDestinationParts nats;
};

/// slack.base_url as an origin. A path other than "/" is refused: the URL's own path is what is sent.
/// `invalid_url`.
Result<http::Origin> parse_slack_base(std::string_view base_url);

/// The drivers of one loop: used there, destroyed after it has gone idle.
struct Drivers {
  std::unique_ptr<DestinationDriver> http;
  std::unique_ptr<DestinationDriver> agent;
  std::unique_ptr<DestinationDriver> slack;
  std::unique_ptr<DestinationDriver> nats;

  /// As the dispatcher takes them; the pointers live as long as this.
  std::map<DestinationKind, DestinationDriver*> by_kind() const;
};

/// Call once per loop, on any thread before the loop runs. `agents` and `clock` outlive the drivers.
/// A ca_file that cannot be read shows at the first https attempt as `tls_config`, which counts against
/// nobody.
Drivers make_drivers(const DriverOptions& options, AgentDirectory& agents, const Clock& clock);

}  // namespace postern::relay
