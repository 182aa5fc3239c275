#include "control/api/views.hpp"

#include "base/bytes.hpp"
#include "control/api/destination_policy.hpp"
#include "control/api/json.hpp"
#include "relay/destinations/destination_url.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

json::value optional_time(const std::optional<Time>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

template <class IdType>
json::value optional_id(const std::optional<IdType>& id) {
  return id ? json::value(id->to_string()) : json::value(nullptr);
}

json::value parsed_or_null(std::string_view text) {
  json::error_code ec;
  json::value parsed = json::parse(text, ec);
  return ec ? json::value(nullptr) : parsed;
}

json::array headers_view(const http::Headers& headers) {
  json::array list;
  for (const http::Header& header : headers) {
    list.push_back({{"name", json_text(header.name)}, {"value", json_text(header.value)}});
  }
  return list;
}

std::string ingest_url(const relay::Source& source, const ApiServices& services) {
  const auto catalog = services.catalog.current();
  const auto workspace = catalog->workspaces.find(source.workspace_id);
  const std::string name = workspace == catalog->workspaces.end() ? "" : workspace->second.name;
  return fmt::format("{}/in/{}/{}", services.addresses.ingest_url, name, source.name);
}

double to_milliseconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}

/// null for other kinds. Deliveries wait while it is away; this says why.
json::value broker_view(const relay::Destination& destination, const NatsFacts& nats) {
  if (destination.kind != relay::DestinationKind::nats) return nullptr;
  if (!nats.configured) return "not_configured";
  return nats.connected && nats.connected() ? "connected" : "away";
}

json::value subject_view(const relay::Destination& destination, const NatsFacts& nats) {
  if (destination.kind != relay::DestinationKind::nats) return nullptr;
  if (!destination.subject.empty()) return json::value(destination.subject);
  const auto standard = relay::SubjectTemplate::parse("", nats.subject_prefix);
  return standard ? json::value(standard->text()) : json::value(nullptr);
}

json::value event_map_view(const relay::Destination& destination) {
  if (destination.kind != relay::DestinationKind::nats) return nullptr;
  return destination.event_map.empty() ? json::value(json::object()) : parsed_or_null(destination.event_map);
}

json::value copy_view(const relay::Agent& agent) {
  if (!agent.copy_suspected_at) return nullptr;
  return {{"at", to_rfc3339(*agent.copy_suspected_at)}, {"from", json_text(agent.copy_suspected_from)}};
}

json::value rotation_view(const relay::Agent& agent) {
  if (!agent.next_stored_key.empty()) return "under_way";
  return agent.rotation_asked_at ? json::value("asked") : json::value(nullptr);
}

json::array schedule_view(const std::vector<Duration>& schedule) {
  json::array waits;
  for (const Duration wait : schedule) waits.push_back(json::value(format_duration(wait)));
  return waits;
}

}  // namespace

json::value rate_view(std::uint32_t per_second, std::uint32_t burst) {
  if (per_second == 0) return nullptr;
  return {{"per_second", per_second}, {"burst", burst == 0 ? per_second : burst}};
}

std::string shown_url(const relay::Destination& destination) {
  if (destination.kind != relay::DestinationKind::slack) return destination.url;
  const auto url = http::parse_url(destination.url);
  return url ? relay::url_without_credentials(destination.kind, *url) : "";
}

json::object view(const relay::Source& source, const ApiServices& services) {
  json::object object{{"id", source.id.to_string()},
                      {"name", source.name},
                      {"provider", source.provider},
                      {"ingest_url", ingest_url(source, services)},
                      {"secret_count", source.secrets.size()},
                      {"unsigned", source.unsigned_ok},
                      {"enabled", source.enabled},
                      {"body_limit_bytes", source.body_limit_bytes},
                      {"dedupe_window", format_duration(source.dedupe_window)},
                      {"created_at", to_rfc3339(source.created_at)},
                      {"updated_at", to_rfc3339(source.updated_at)}};
  object["rate_limit"] = rate_view(source.rate_per_second, source.rate_burst);
  if (!source.scheme_json.empty()) object["scheme"] = parsed_or_null(source.scheme_json);
  if (source.unsigned_ok) {
    object["warning"] = "This source accepts anything from anyone: signatures are not checked.";
  }
  return object;
}

json::array view(std::span<const SubjectStatus> subjects) {
  json::array shown;
  for (const SubjectStatus& one : subjects)
    shown.push_back({{"subject", json_text(one.subject)}, {"breaker", view(one.breaker)}});
  return shown;
}

json::object view(const relay::Destination& destination, const ApiServices& services) {
  const DestinationStatus status = services.deliveries.status(destination.id);
  json::object shown{{"id", destination.id.to_string()},
                     {"name", json_text(destination.name)},
                     {"kind", relay::to_text(destination.kind)},
                     {"url", json_text(shown_url(destination))},
                     {"agent_id", optional_id(destination.agent_id)},
                     {"subject", subject_view(destination, services.nats)},
                     {"event_map", event_map_view(destination)},
                     {"signed", !destination.signing_secret.empty()},
                     {"timeout", format_duration(destination.timeout)},
                     {"retry_schedule", schedule_view(destination.retry_schedule)},
                     {"final_statuses", json::value_from(destination.final_statuses)},
                     {"concurrency", destination.concurrency},
                     {"enabled", destination.enabled},
                     {"disabled_reason", destination.disabled_reason},
                     {"status",
                      {{"mode", status.mode},
                       {"in_flight", status.in_flight},
                       {"waiting", status.waiting},
                       {"breaker", view(status.breaker)},
                       {"subjects", view(status.subjects)},
                       {"broker", broker_view(destination, services.nats)}}},
                     {"created_at", to_rfc3339(destination.created_at)},
                     {"updated_at", to_rfc3339(destination.updated_at)}};
  show_policy(shown, destination);
  return shown;
}

json::object view(const relay::Route& route) {
  return {{"id", route.id.to_string()},
          {"source_id", route.source_id.to_string()},
          {"destination_id", route.destination_id.to_string()},
          {"enabled", route.enabled},
          {"filter", json_text(route.filter)},
          {"transform", json_text(route.transform)},
          {"created_at", to_rfc3339(route.created_at)}};
}

json::array apps_view(const std::vector<tunnel::AppHealth>& apps) {
  json::array shown;
  for (const tunnel::AppHealth& app : apps) {
    shown.push_back({{"host", json_text(app.host)},
                     {"port", app.port},
                     {"reachable", app.reachable},
                     {"reason", json_text(app.reason)},
                     {"concurrency", app.concurrency > 0 ? json::value(app.concurrency) : nullptr}});
  }
  return shown;
}

json::object view(const relay::Agent& agent, const relay::AgentSession* session,
                  const ApiServices& services) {
  const relay::AgentStanding here = services.agents.standing(agent.id);
  const bool live = session != nullptr || here.live > 0;
  const std::string_view connection = live ? "live" : here.sessions > 0 ? "not_delivering" : "away";
  return {{"id", agent.id.to_string()},
          {"name", json_text(agent.name)},
          {"state", relay::to_text(agent.state)},
          {"replicas", agent.replicas},
          {"present", live},
          {"connection", connection},
          {"not_delivering", here.why.empty() ? json::value() : json::value(json_text(here.why))},
          {"sessions", here.sessions},
          {"node", session == nullptr ? json::value() : json::value(json_text(session->node))},
          {"nodes", session == nullptr ? json::array() : json::value_from(session->nodes).as_array()},
          {"present_since", session == nullptr ? json::value() : json::value(to_rfc3339(session->since))},
          {"apps", apps_view(services.agents.apps(agent.id))},
          {"facts", parsed_or_null(agent.facts_json)},
          {"key_epoch", agent.key_epoch},
          {"rotated_at", optional_time(agent.keyed_at)},
          {"rotation", rotation_view(agent)},
          {"on_copy", agent.on_copy == relay::OnCopy::deny ? "deny" : "alert"},
          {"copy_suspected", copy_view(agent)},
          {"last_seen_at", optional_time(agent.last_seen_at)},
          {"created_at", to_rfc3339(agent.created_at)}};
}

json::object view(const relay::EventSummary& event) {
  return {{"id", event.id.to_string()},     {"source_id", event.source_id.to_string()},
          {"type", json_text(event.type)},  {"verified", event.verified},
          {"body_size", event.body_size},   {"body_expired", event.body_expired},
          {"duplicates", event.duplicates}, {"received_at", to_rfc3339(event.received_at)}};
}

json::object view(const relay::StoredEvent& stored, std::span<const relay::Delivery> deliveries) {
  const relay::Event& event = stored.event;
  json::array owed;
  for (const relay::Delivery& delivery : deliveries) owed.push_back(view(delivery));
  return {{"id", event.id.to_string()},
          {"source_id", event.source_id.to_string()},
          {"type", json_text(event.type)},
          {"verified", event.verified},
          {"body_size", event.body.size()},
          {"body_expired", event.body_expired},
          {"duplicates", stored.duplicates},
          {"received_at", to_rfc3339(event.received_at)},
          {"dedupe_key", json_text(event.dedupe_key)},
          {"method", event.method},
          {"target", json_text(event.target)},
          {"headers", headers_view(event.headers)},
          {"peer", event.peer},
          {"deliveries", std::move(owed)}};
}

json::object view(const relay::Delivery& delivery) {
  const bool waits = delivery.state == relay::DeliveryState::pending;
  return {
      {"id", delivery.id.to_string()},
      {"event_id", delivery.event_id.to_string()},
      {"source_id", delivery.source_id.to_string()},
      {"destination_id", delivery.destination_id.to_string()},
      {"state", relay::to_text(delivery.state)},
      {"reason", json_text(delivery.reason)},
      {"attempt_count", delivery.attempt_count},
      {"next_at", waits ? json::value(to_rfc3339(delivery.next_at)) : json::value(nullptr)},
      {"replay_of", optional_id(delivery.replay_of)},
      {"payload_size", delivery.payload_bytes ? json::value(*delivery.payload_bytes) : json::value(nullptr)},
      {"created_at", to_rfc3339(delivery.created_at)},
      {"updated_at", to_rfc3339(delivery.updated_at)}};
}

json::object view(const relay::Payload& payload) {
  const bool text = is_utf8(payload.body);
  return {{"headers", headers_view(payload.headers)},
          {"body", text ? payload.body : base64_encode(payload.body)},
          {"body_encoding", text ? "text" : "base64"}};
}

json::object view(const relay::Attempt& attempt) {
  const bool text = is_utf8(attempt.response_body);
  return {{"number", attempt.number},
          {"outcome", relay::to_text(attempt.outcome)},
          {"counted", attempt.counted},
          {"error_code", attempt.error_code},
          {"error_message", json_text(attempt.error_message)},
          {"url", json_text(attempt.url)},
          {"response_status", attempt.response_status},
          {"response_headers", headers_view(attempt.response_headers)},
          {"response_body", text ? attempt.response_body : base64_encode(attempt.response_body)},
          {"response_body_encoding", text ? "text" : "base64"},
          {"response_truncated", attempt.response_truncated},
          {"timings_ms",
           {{"dns", to_milliseconds(attempt.dns)},
            {"connect", to_milliseconds(attempt.connect)},
            {"tls", to_milliseconds(attempt.tls)},
            {"first_byte", to_milliseconds(attempt.first_byte)},
            {"total", to_milliseconds(attempt.total)}}},
          {"started_at", to_rfc3339(attempt.started_at)}};
}

json::object view(const relay::AuditEntry& entry) {
  return {{"id", entry.id.to_string()},
          {"actor", json_text(entry.actor)},
          {"action", entry.action},
          {"object", json_text(entry.object)},
          {"detail", parsed_or_null(entry.detail_json)},
          {"at", to_rfc3339(entry.at)}};
}

}  // namespace postern::control
