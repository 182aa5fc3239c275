#include "control/audit_sink.hpp"

#include <boost/json.hpp>

#include "base/log.hpp"
#include "control/api/json.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

constexpr std::size_t kUnderWayMost = 1000;

void left_out(const relay::AuditEntry& entry, std::string_view why) {
  log::warn("audit.left_out", {{"action", entry.action}, {"object", entry.object}, {"reason", why}});
}

}  // namespace

void AuditSink::add(relay::AuditEntry entry) {
  if (under_way_.fetch_add(1) >= kUnderWayMost) {
    --under_way_;
    return left_out(entry, "too_many");
  }
  database_.write(
      [entry](relay::Transaction& tx) -> Result<void> {
        relay::AuditRepository(tx).add(entry);
        return {};
      },
      [this, entry](Result<void> done) {
        --under_way_;
        if (!done) left_out(entry, done.error().code);
      });
}

void AuditSink::add(const relay::TunnelAudit& event) {
  log::info("tunnel.access",
            {{"action", event.action}, {"object", event.object}, {"code", event.code}, {"peer", event.peer}});
  if (!event.workspace_id) return;  // a claim about an id that does not exist belongs to nobody
  boost::json::object detail{{"peer", event.peer}};
  if (!event.code.empty()) detail["code"] = event.code;
  add(relay::AuditEntry{.id = ids_.of<AuditId>(),
                        .workspace_id = *event.workspace_id,
                        .actor = event.object,
                        .action = event.action,
                        .object = event.object,
                        .detail_json = boost::json::serialize(detail),
                        .at = clock_.now()});
}

}  // namespace postern::control
