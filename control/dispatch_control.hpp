#pragma once
#include "control/api/services.hpp"
#include "control/audit_sink.hpp"
#include "relay/delivery/dispatcher.hpp"

namespace postern::control {

/// The dispatcher as the API sees it. Safe from any thread.
class DispatchControl final : public DeliveryControl {
 public:
  explicit DispatchControl(relay::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  void wake(DestinationId destination) override { dispatcher_.kick(destination); }
  void wake() override { dispatcher_.kick_all(); }
  DestinationStatus status(DestinationId destination) const override;
  void reset_breaker(DestinationId destination) override { dispatcher_.reset_breaker(destination); }

 private:
  relay::Dispatcher& dispatcher_;
};

/// Switches a destination off after it answered 410: stored, audited, and then in the catalog. Returns at
/// once.
class DestinationDisabler {
 public:
  DestinationDisabler(relay::Database& database, const relay::Keyring& keyring,
                      const relay::CatalogHolder& catalog, CatalogReloader& reloader, IdGenerator& ids,
                      const Clock& clock)
      : database_(database),
        keyring_(keyring),
        catalog_(catalog),
        reloader_(reloader),
        ids_(ids),
        clock_(clock) {}

  void disable(DestinationId destination, std::string reason);

 private:
  relay::Database& database_;
  const relay::Keyring& keyring_;
  const relay::CatalogHolder& catalog_;
  CatalogReloader& reloader_;
  IdGenerator& ids_;
  const Clock& clock_;
};

}  // namespace postern::control
