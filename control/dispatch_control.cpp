#include "control/dispatch_control.hpp"

#include <boost/json.hpp>

#include "base/log.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

BreakerStatus shown_breaker(const relay::BreakerSnapshot& breaker, const relay::Breaker::Counts& counts) {
  return {.state = std::string(relay::to_text(breaker.state)),
          .since = breaker.since,
          .probe_at = breaker.probe_at,
          .attempts = counts.attempts,
          .failures = counts.failures,
          .failures_in_a_row = counts.in_a_row};
}

}  // namespace

DestinationStatus DispatchControl::status(DestinationId destination) const {
  const auto status = dispatcher_.status(destination);
  if (!status) return {"unknown", 0, 0};
  DestinationStatus shown{std::string(relay::to_text(status->mode)), status->in_flight, status->waiting,
                          shown_breaker(status->breaker, status->failures)};
  for (const auto& part : status->parts)
    shown.subjects.push_back({part.part, shown_breaker(part.breaker, part.failures)});
  return shown;
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
