#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/random.hpp"
#include "control/api/catalog_reloader.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/retention_times.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/database.hpp"
#include "relay/store/keyring.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::control {

/// How one destination is doing, for people to see.
struct DestinationStatus {
  std::string mode;  ///< "direct", "draining", "away", "disabled"; "unknown" before its first delivery
  std::uint64_t in_flight = 0;
  std::uint64_t waiting = 0;  ///< in memory, not started
};

/// What the API needs of the dispatcher. Safe from any thread.
class DeliveryControl {
 public:
  virtual ~DeliveryControl() = default;
  /// Something may be due now: a replay, a retry, a destination switched on or changed.
  virtual void wake(DestinationId destination) = 0;
  virtual void wake() = 0;
  virtual DestinationStatus status(DestinationId destination) const = 0;
};

/// What outsiders are told to connect to.
struct PublicAddresses {
  std::string ingest_url;   ///< "https://hooks.example", without a slash at the end
  std::string tunnel_host;  ///< of join tokens
  std::uint16_t tunnel_port = 0;
  std::vector<std::string> tunnel_pins;  ///< SHA-256 of the tunnel certificate's key, 32 bytes each
};

/// Everything a request handler may use. All references outlive the admin server.
struct ApiServices {
  relay::Database& database;
  const relay::Keyring& keyring;
  const relay::CatalogHolder& catalog;
  CatalogReloader& reloader;
  relay::AgentDirectory& agents;
  DeliveryControl& deliveries;
  IdGenerator& ids;
  const Clock& clock;
  Random& random;
  const PublicAddresses& addresses;
  const relay::EgressPolicy& egress;
  relay::Retention retention{};  ///< of workspaces that have no times of their own
};

}  // namespace postern::control
