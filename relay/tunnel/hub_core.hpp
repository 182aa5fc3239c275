#pragma once
#include <atomic>
#include <functional>
#include <vector>

#include "relay/limits/failure_limiter.hpp"
#include "relay/tunnel/app_health_book.hpp"
#include "relay/tunnel/handshake_gate.hpp"
#include "relay/tunnel/hub.hpp"
#include "relay/tunnel/hub_metrics.hpp"
#include "relay/tunnel/login_book.hpp"
#include "relay/tunnel/session_registry.hpp"

namespace postern::relay {

/// What the listener and every session of one hub share. Each member is safe from any thread.
struct HubCore {
  HubCore(AgentAuthority& who, TunnelTls context, const Clock& time, Random& entropy,
          prometheus::Registry& registry, HubOptions given)
      : authority(who),
        tls(std::move(context)),
        clock(time),
        random(entropy),
        options(std::move(given)),
        decoy_key(entropy.bytes(32)),
        metrics(registry),
        limiter(time, options.failures),
        gate(options.handshakes, options.handshakes_per_source),
        apps(time) {}

  AgentAuthority& authority;
  TlsSlot tls;
  const Clock& clock;
  Random& random;
  const HubOptions options;
  const std::string decoy_key;
  HubMetrics metrics;
  FailureLimiter limiter;
  HandshakeGate gate;
  SessionRegistry registry;
  LoginBook logins;
  AppHealthBook apps;
  std::vector<std::function<void(AgentId, bool)>> listeners;   ///< fixed before serving starts
  std::vector<std::function<void(AgentId)>> health_listeners;  ///< the same
  std::atomic<bool> draining{false};                           ///< no connection is taken any more
  std::atomic<bool> gone{false};                               ///< and the agents have been sent away

  void audit(const TunnelAudit& entry) const {
    if (options.audit) options.audit(entry);
  }
  void health(AgentId agent, const AppHealthBook::Teller& teller, std::vector<tunnel::AppHealth> told) {
    if (apps.told(agent, teller, std::move(told))) tell_health(agent);
  }
  void health_live(AgentId agent, const AppHealthBook::Teller& teller) {
    if (apps.set_live(agent, teller)) tell_health(agent);
  }
  void health_ended(AgentId agent, const AppHealthBook::Teller& teller) {
    if (apps.left(agent, teller)) tell_health(agent);
  }
  void tell_health(AgentId agent) const {
    for (const auto& listener : health_listeners) listener(agent);
  }
  void tell(AgentId agent, bool present) const {
    for (const auto& listener : listeners) listener(agent, present);
  }
};

}  // namespace postern::relay
