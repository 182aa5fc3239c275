#include "relay/destinations/drivers.hpp"

#include "relay/destinations/agent_destination.hpp"
#include "relay/destinations/attempt_record.hpp"
#include "relay/destinations/http_destination.hpp"
#include "relay/destinations/slack_destination.hpp"

namespace postern::relay {
namespace {

http::ClientOptions client_options(const DriverOptions& options) {
  http::ClientOptions out;
  out.connect_time = options.connect_time;
  out.body_limit = kMostResponseBytes;
  out.ca_file = options.ca_file;
  out.may_dial = options.egress.dial_check();
  out.resolver = options.resolver;
  out.idle_per_origin = options.idle_per_origin;
  return out;
}

std::unique_ptr<DestinationDriver> make_slack(const DriverOptions& options, const Clock& clock) {
  http::ClientOptions client = client_options(options);
  if (options.slack_stand_in) client.may_dial = {};
  SlackDestinationParts parts;
  parts.client = std::make_unique<http::Client>(std::move(client));
  parts.policy = options.egress;
  parts.stand_in = options.slack_stand_in;
  parts.event_link_base = options.event_link_base;
  parts.pacer = options.slack_pacer;
  return std::make_unique<SlackDestination>(std::move(parts), clock);
}

}  // namespace

Result<http::Origin> parse_slack_base(std::string_view base_url) {
  auto url = http::parse_url(base_url);
  if (!url) return std::unexpected(url.error());
  if (url->target != "/")
    return fail("invalid_url", "slack.base_url must have no path: that of each Slack URL is used");
  return url->origin;
}

std::map<DestinationKind, DestinationDriver*> Drivers::by_kind() const {
  return {{DestinationKind::http, http.get()},
          {DestinationKind::agent, agent.get()},
          {DestinationKind::slack, slack.get()},
          {DestinationKind::nats, nats.get()}};
}

Drivers make_drivers(const DriverOptions& options, AgentDirectory& agents, const Clock& clock) {
  Drivers out;
  out.http = std::make_unique<HttpDestination>(std::make_unique<http::Client>(client_options(options)),
                                               options.egress, clock);
  out.agent = std::make_unique<AgentDestination>(agents, clock);
  out.slack = make_slack(options, clock);
  out.nats = std::make_unique<NatsDestination>(options.nats, clock);
  return out;
}

}  // namespace postern::relay
