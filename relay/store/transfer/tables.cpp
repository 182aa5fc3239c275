#include "relay/store/transfer/tables.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace postern::relay::transfer {
namespace {

using enum Kind;

constexpr Column kWorkspace[] = {{"id", id},
                                 {"name", text},
                                 {"data_key_sealed", bytes},
                                 {"created_at", integer},
                                 {"rate_per_second", integer},
                                 {"rate_burst", integer},
                                 {"retain_bodies", integer, true},
                                 {"retain_events", integer, true},
                                 {"retain_attempts", integer, true}};

constexpr Column kSetting[] = {{"name", text}, {"value", bytes}};

constexpr Column kAgent[] = {{"id", id},
                             {"workspace_id", id},
                             {"name", text},
                             {"state", integer},
                             {"stored_key", bytes},
                             {"server_key_sealed", bytes},
                             {"generation", integer},
                             {"facts_json", text},
                             {"last_seen_at", integer, true},
                             {"created_at", integer},
                             {"next_stored_key", bytes},
                             {"next_server_key_sealed", bytes},
                             {"key_epoch", integer},
                             {"keyed_at", integer, true},
                             {"rotation_asked_at", integer, true},
                             {"instance_id", bytes},
                             {"on_copy", integer},
                             {"copy_suspected_at", integer, true},
                             {"copy_suspected_from", text},
                             {"copy_cleared_at", integer, true},
                             {"replicas", integer}};

constexpr Column kEnrollment[] = {{"id", id},
                                  {"agent_id", id},
                                  {"workspace_id", id},
                                  {"stored_key", bytes},
                                  {"server_key_sealed", bytes},
                                  {"expires_at", integer},
                                  {"claim_digest", bytes}};

constexpr Column kSource[] = {{"id", id},
                              {"workspace_id", id},
                              {"name", text},
                              {"provider", text},
                              {"scheme_json", text},
                              {"secrets_sealed", bytes},
                              {"unsigned_ok", integer},
                              {"enabled", integer},
                              {"body_limit_bytes", integer},
                              {"dedupe_window", integer},
                              {"created_at", integer},
                              {"updated_at", integer},
                              {"rate_per_second", integer},
                              {"rate_burst", integer}};

constexpr Column kDestination[] = {{"id", id},
                                   {"workspace_id", id},
                                   {"name", text},
                                   {"kind", integer},
                                   {"url", text},
                                   {"url_sealed", bytes, true},
                                   {"agent_id", id, true},
                                   {"signing_secret_sealed", bytes, true},
                                   {"timeout", integer},
                                   {"retry_schedule", text},
                                   {"final_statuses", text},
                                   {"concurrency", integer},
                                   {"enabled", integer},
                                   {"disabled_reason", text},
                                   {"created_at", integer},
                                   {"updated_at", integer},
                                   {"rate_per_second", integer},
                                   {"rate_burst", integer},
                                   {"ordering", integer},
                                   {"ordering_key", text},
                                   {"breaker", text},
                                   {"subject", text},
                                   {"event_map", text}};

constexpr Column kRoute[] = {
    {"id", id},           {"workspace_id", id},    {"source_id", id}, {"destination_id", id},
    {"enabled", integer}, {"created_at", integer}, {"filter", text},  {"transform", text}};

constexpr Column kApiKey[] = {{"id", id},           {"workspace_id", id},
                              {"name", text},       {"secret_digest", bytes},
                              {"revoked", integer}, {"created_at", integer}};

constexpr Column kAudit[] = {{"id", id},       {"workspace_id", id},  {"actor", text}, {"action", text},
                             {"object", text}, {"detail_json", text}, {"at", integer}};

constexpr Column kIdempotency[] = {{"workspace_id", id}, {"key", text},   {"request_digest", bytes},
                                   {"status", integer},  {"body", bytes}, {"kept_at", integer}};

// An event's dedupe key is in force until dedupe_until; null: not any more. What else the engines keep of it
// (fingerprints, digests) they make from the event.
constexpr Column kEvent[] = {{"row", integer},
                             {"id", id},
                             {"workspace_id", id},
                             {"source_id", id},
                             {"received_at", integer},
                             {"verified", integer},
                             {"type", text},
                             {"dedupe_key", bytes},
                             {"method", text},
                             {"target", bytes},
                             {"peer", text},
                             {"headers", bytes},
                             {"body", bytes},
                             {"body_expired", integer},
                             {"dedupe_until", integer, true, "k.expires_at"},
                             {"duplicate_hits", integer, true, "c.hits"},
                             {"duplicate_last_at", integer, true, "c.last_at"}};

constexpr Column kDelivery[] = {
    {"row", integer},
    {"id", id},
    {"workspace_id", id},
    {"event_row", integer},
    {"source_id", id},
    {"destination_id", id},
    {"state", integer},
    {"reason", text},
    {"attempt_count", integer},
    {"tries", integer},
    {"lease", integer},
    {"next_at", integer},
    {"replay_of", id, true},
    {"created_at", integer},
    {"updated_at", integer},
    {"payload", bytes, true},
    {"payload_headers", bytes, true},
    {"crashes", integer},
    {"answered", integer},
    {"order_key", integer},
    {"event_received_at", integer, false, "coalesce(e.received_at, t.created_at)"}};

constexpr Column kAttempt[] = {{"row", integer},
                               {"outcome", integer},
                               {"counted", integer},
                               {"error_code", text},
                               {"error_message", text},
                               {"url", text},
                               {"response_status", integer},
                               {"response_truncated", integer},
                               {"dns", integer},
                               {"connect", integer},
                               {"tls", integer},
                               {"first_byte", integer},
                               {"total", integer},
                               {"started_at", integer},
                               {"response_headers", bytes},
                               {"response_body", bytes}};

// Rows are read in the order of their keys, which is the order of their place on the disk.
constexpr Table kTables[] = {
    {"workspace", kWorkspace, "workspace t", "ORDER BY t.id"},
    {"store_setting", kSetting, "store_setting t",
     "WHERE t.name NOT IN ('dedupe_key', 'import_unfinished') ORDER BY t.name"},
    {"agent", kAgent, "agent t", "ORDER BY t.id"},
    {"enrollment", kEnrollment, "enrollment t", "ORDER BY t.id"},
    {"source", kSource, "source t", "ORDER BY t.id"},
    {"destination", kDestination, "destination t", "ORDER BY t.id"},
    {"route", kRoute, "route t", "ORDER BY t.id"},
    {"api_key", kApiKey, "api_key t", "ORDER BY t.id"},
    {"audit", kAudit, "audit t", "ORDER BY t.id"},
    {"idempotency", kIdempotency, "idempotency t", "ORDER BY t.workspace_id, t.key"},
    {"event", kEvent,
     "event t LEFT JOIN dedupe k ON k.event_row = t.row AND k.expires_at > ?1 LEFT JOIN event_duplicate c ON "
     "c.event_row = t.row",
     "ORDER BY t.row"},
    {"delivery", kDelivery, "delivery t LEFT JOIN event e ON e.row = t.event_row", "ORDER BY t.row"},
    {"attempt", kAttempt, "attempt t", "ORDER BY t.row"},
};

}  // namespace

std::span<const Table> tables() {
  return kTables;
}

std::size_t table_named(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kTables); ++i) {
    if (kTables[i].name == name) return i;
  }
  throw std::logic_error(fmt::format("no table {}", name));
}

std::size_t column_named(const Table& table, std::string_view name) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].name == name) return i;
  }
  throw std::logic_error(fmt::format("{} has no column {}", table.name, name));
}

}  // namespace postern::relay::transfer
