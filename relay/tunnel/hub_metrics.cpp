#include "relay/tunnel/hub_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>

namespace postern::relay {
namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

/// Of those a session can end with. An agent that ends it says why in its own words, and each label value is
/// kept for ever: what is not one of these must not become a series.
constexpr std::array<std::string_view, 20> kEnds = {
    "drained",          "peer_silent",     "write_stalled",     "protocol",        "flow_control",
    "excessive_resets", "excessive_noise", "closed_by_peer",    "connection_lost", "internal_error",
    "replaced",         "revoked",         "deleted",           "shutdown",        "drain",
    "closed_by_us",     "tls_failed",      "streams_exhausted", "rotated",         "copied"};

}  // namespace

HubMetrics::HubMetrics(prometheus::Registry& registry)
    : sessions(gauge(registry, "postern_tunnel_sessions", "Agents that can be delivered to now")),
      connections(
          gauge(registry, "postern_tunnel_connections", "Open tunnel connections, authenticated or not")),
      in_flight(gauge(registry, "postern_tunnel_deliveries_in_flight",
                      "Deliveries with an agent or waiting for its credit")),
      rotations(
          counters(registry, "postern_tunnel_rotations_total", "Agents that changed their secret").Add({})),
      copies(counters(registry, "postern_tunnel_copies_suspected_total",
                      "Logins that showed a copied state directory")
                 .Add({})),
      handshakes_(
          counters(registry, "postern_tunnel_handshakes_total", "Tunnel handshakes by how they ended")),
      turned_away_(
          counters(registry, "postern_tunnel_turned_away_total", "Connections closed before TLS, by reason")),
      ended_(counters(registry, "postern_tunnel_sessions_ended_total", "Sessions that ended, by reason")) {
  auto& outcomes =
      counters(registry, "postern_tunnel_deliveries_total", "Deliveries through tunnels by outcome");
  for (int i = 0; i < 4; ++i) {
    outcomes_[i] = &outcomes.Add({{"outcome", std::string(to_text(static_cast<Outcome>(i)))}});
  }
}

void HubMetrics::handshake(std::string_view result) {
  handshakes_.Add({{"result", std::string(result)}}).Increment();
}
void HubMetrics::closed_at_accept(std::string_view why) {
  turned_away_.Add({{"reason", std::string(why)}}).Increment();
}
void HubMetrics::session_ended(std::string_view code) {
  const bool known = std::ranges::find(kEnds, code) != kEnds.end();
  ended_.Add({{"reason", known ? std::string(code) : "other"}}).Increment();
}
void HubMetrics::delivery(Outcome outcome) {
  outcomes_[static_cast<int>(outcome)]->Increment();
}

}  // namespace postern::relay
