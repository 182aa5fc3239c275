#include "control/dispatch_control.hpp"

#include <boost/json.hpp>

#include "base/log.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {

DestinationStatus DispatchControl::status(DestinationId destination) const {
  const auto status = dispatcher_.status(destination);
  if (!status) return {"unknown", 0, 0};
  const BreakerStatus breaker{.state = std::string(relay::to_text(status->breaker.state)),
                              .since = status->breaker.since,
                              .probe_at = status->breaker.probe_at,
                              .attempts = status->failures.attempts,
                              .failures = status->failures.failures,
                              .failures_in_a_row = status->failures.in_a_row};
  return {std::string(relay::to_text(status->mode)), status->in_flight, status->waiting, breaker};
}

void DestinationDisabler::disable(DestinationId id, std::string reason) {
  const auto catalog = catalog_.current();
  const auto known = catalog->destinations.find(id);
  if (known == catalog->destinations.end()) return;
  const WorkspaceId workspace = known->second->workspace_id;
  const relay::AuditEntry entry{
      .id = ids_.of<AuditId>(),
      .workspace_id = workspace,
      .actor = "relay",
      .action = "destination.disabled",
      .object = id.to_string(),
      .detail_json = boost::json::serialize(boost::json::object{{"reason", reason}}),
      .at = clock_.now()};
  database_.write(
      [id, workspace, reason, entry, &keyring = keyring_](relay::Transaction& tx) -> Result<void> {
        relay::DestinationRepository destinations(tx, keyring);
        auto destination = destinations.get(workspace, id);
        if (!destination) return std::unexpected(destination.error());
        destination->enabled = false;
        destination->disabled_reason = reason;
        destination->updated_at = entry.at;
        relay::AuditRepository(tx).add(entry);
        return destinations.update(*destination);
      },
      [this, id, reason](Result<void> done) {
        if (done) {
          log::warn("destination.disabled", {{"destination", id}, {"reason", reason}});
          reloader_.request();
        } else if (done.error().code != "not_found") {
          log::error("destination.disable_failed", {{"destination", id}, {"error", done.error().message}});
        }
      });
}

}  // namespace postern::control
