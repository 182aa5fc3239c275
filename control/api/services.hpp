#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/random.hpp"
#include "control/api/catalog_reloader.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/destinations/nats_subject.hpp"
#include "relay/overload/shedding.hpp"
#include "relay/retention_times.hpp"
#include "relay/routing/program_pool.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/database.hpp"
#include "relay/store/keyring.hpp"
#include "relay/tunnel/agent_directory.hpp"

namespace postern::relay {
class SharedActivity;
}

namespace postern::control {

/// How the breaker of one destination stands. A time that is not known is Time{}.
struct BreakerStatus {
  std::string state = "closed";  ///< "closed", "open", "half_open"
  Time since{};
  Time probe_at{};             ///< open: when it is tried again
  std::uint64_t attempts = 0;  ///< in its window
  std::uint64_t failures = 0;
  std::uint64_t failures_in_a_row = 0;
};

/// A NATS subject of a destination that has failed on its own.
struct SubjectStatus {
  std::string subject;
  BreakerStatus breaker;
};

/// How one destination is doing, for people to see.
struct DestinationStatus {
  std::string
      mode;  ///< "direct", "draining", "away", …: relay::QueueMode; "unknown" before its first delivery
  std::uint64_t in_flight = 0;
  std::uint64_t waiting = 0;  ///< in memory, not started
  BreakerStatus breaker{};
  std::vector<SubjectStatus> subjects = {};  ///< those whose breaker is not closed
};

/// What the API needs of the dispatcher. Safe from any thread.
class DeliveryControl {
 public:
  virtual ~DeliveryControl() = default;
  /// Something may be due now: a replay, a retry, a destination switched on or changed.
  virtual void wake(DestinationId destination) = 0;
  virtual void wake() = 0;
  virtual DestinationStatus status(DestinationId destination) const = 0;
  virtual void reset_breaker(DestinationId destination) = 0;
};

/// What outsiders are told to connect to.
struct PublicAddresses {
  std::string ingest_url;   ///< "https://hooks.example", without a slash at the end
  std::string tunnel_host;  ///< of join tokens
  std::uint16_t tunnel_port = 0;
  std::vector<std::string> tunnel_pins;  ///< SHA-256 of the tunnel certificate's key, 32 bytes each
};

/// What destinations of kind nats depend on.
struct NatsFacts {
  bool configured = false;
  std::string subject_prefix{relay::kDefaultSubjectPrefix};
  std::function<bool()> connected;  ///< safe from any thread
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
  relay::ProgramPool& programs;
  relay::SharedActivity& activity;
  bool cluster = false;  ///< one of several nodes: the store knows who holds an agent's session
  NatsFacts nats{};
  relay::Retention retention{};         ///< of workspaces that have no times of their own
  relay::Shedding* shedding = nullptr;  ///< null: nothing is given up
};

}  // namespace postern::control
