#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/http/message.hpp"
#include "base/id.hpp"
#include "relay/destination_policy.hpp"

/// The things the relay keeps, as values. Every one of them belongs to exactly one workspace.
/// Secrets appear here in clear, in memory only; the store seals them.
namespace postern::relay {

/// How long a workspace keeps things, where it differs from the relay's setting. Zero: for ever.
struct RetentionOverrides {
  std::optional<Duration> bodies{}, events{}, attempts{};
  bool operator==(const RetentionOverrides&) const = default;
};

struct Workspace {
  WorkspaceId id;
  std::string name;  ///< unique; the {workspace} of an ingest URL
  Time created_at;
  std::uint32_t rate_per_second = 0;  ///< of all its sources together; 0: the relay's default
  std::uint32_t rate_burst = 0;       ///< at once; 0: as much as a second brings
  RetentionOverrides retention{};
};

/// Where one provider sends.
struct Source {
  SourceId id;
  WorkspaceId workspace_id;
  std::string name;      ///< unique in the workspace; the {source} of an ingest URL: [a-z0-9][a-z0-9_-]{0,62}
  std::string provider;  ///< a row of relay/providers
  std::string scheme_json;  ///< generic-hmac only: header, encoding, prefix, digest, timestamp, dedupe fields
  std::vector<std::string> secrets;  ///< every live one is tried; empty only when `unsigned_ok`
  bool unsigned_ok = false;          ///< "unsigned": true in the API: accepts anything, and says so loudly
  bool enabled = true;
  std::uint64_t body_limit_bytes = 10 * 1024 * 1024;
  Duration dedupe_window = std::chrono::hours(24 * 7);
  std::uint32_t rate_per_second = 0;  ///< requests it takes; 0: the relay's default
  std::uint32_t rate_burst = 0;       ///< at once; 0: as much as a second brings
  Time created_at;
  Time updated_at;
};

enum class DestinationKind { http, agent, slack, nats };

/// Where events go, and how hard to try.
struct Destination {
  DestinationId id;
  WorkspaceId workspace_id;
  std::string name;  ///< unique in the workspace
  DestinationKind kind = DestinationKind::http;
  std::string url;  ///< http, slack: absolute URL. agent: http://host:port/path as the agent's host sees it.
                    ///< nats: empty
  std::string subject;    ///< nats only: a template (relay/destinations/nats_subject.hpp); empty: the default
  std::string event_map;  ///< nats only: JSON of relay/notify/domain_event.hpp's EventMap; empty: none
  std::optional<AgentId> agent_id;  ///< agent only
  std::string signing_secret;       ///< "whsec_…" (Standard Webhooks); empty: not signed. Sealed at rest
  Duration timeout = std::chrono::seconds(30);  ///< one attempt, from dial to the last byte kept
  std::vector<Duration> retry_schedule;  ///< wait before attempt n; the first is normally 0. Empty: default
  std::vector<int> final_statuses;       ///< answers that end the delivery as dead at once
  unsigned concurrency = 64;             ///< attempts at once
  std::uint32_t rate_per_second = 0;     ///< attempts begun; 0: no limit
  std::uint32_t rate_burst = 0;          ///< of these at once, from rest; 0: as many as a second brings
  Ordering ordering = Ordering::none;
  std::string ordering_key;  ///< Ordering::key only: where the key stands (relay/providers/order_rule.hpp)
  BreakerPolicy breaker;
  bool enabled = true;
  std::string disabled_reason;  ///< why it was switched off, e.g. "gone" after a 410
  Time created_at;
  Time updated_at;
};

struct Route {
  RouteId id;
  WorkspaceId workspace_id;
  SourceId source_id;
  DestinationId destination_id;
  bool enabled = true;
  Time created_at;
  std::string filter = {};     ///< jq; empty: every event goes. See relay/routing
  std::string transform = {};  ///< jq; empty: the bytes stay as they came
};

/// One accepted request, as it came. Immutable once stored.
struct Event {
  EventId id;
  WorkspaceId workspace_id;
  SourceId source_id;
  std::string type;        ///< the provider's word, such as "invoice.paid"; empty when it has none
  std::string dedupe_key;  ///< from the provider's id, else a digest of the content; unique within the window
  bool verified = false;   ///< false only for unsigned sources
  std::string method;
  std::string target;
  http::Headers headers;
  std::string body;
  std::string peer;
  Time received_at;
  bool body_expired = false;  ///< past the workspace's retention of bodies: `body` was emptied
};

/// What a transform made of an event: sent in place of the event's own body.
struct Payload {
  std::string body;
  http::Headers headers;  ///< in place of the event's of the same names; Content-Type is always among them
};

enum class DeliveryState { pending, leased, parked, delivered, dead, cancelled };

/// One event owed to one destination.
struct Delivery {
  DeliveryId id;
  WorkspaceId workspace_id;
  EventId event_id;
  SourceId source_id;
  DestinationId destination_id;
  DeliveryState state = DeliveryState::pending;
  std::string reason;          ///< why it is where it is: "agent_away", "http_500", "retries_exhausted", …
  unsigned attempt_count = 0;  ///< attempts that count against the schedule
  Time next_at;                ///< pending: not before
  std::optional<DeliveryId> replay_of;
  /// Of its own body, made by a transform; absent when the event's is sent.
  std::optional<std::uint64_t> payload_bytes = {};
  Time created_at;
  Time updated_at;
};

enum class Outcome {
  delivered,   ///< the destination answered success
  rejected,    ///< it answered something else
  not_sent,    ///< no byte of the request reached it: safe to repeat, burns no attempt
  maybe_sent,  ///< it may have acted on it; no answer came back
};

/// One try.
struct Attempt {
  DeliveryId delivery_id;
  unsigned number = 0;  ///< 1, 2, … over all tries of the delivery, counted or not
  Outcome outcome = Outcome::not_sent;
  bool counted = true;     ///< burned one of the schedule
  std::string error_code;  ///< empty when an answer came; else e.g. "connect_timeout", "agent_away"
  std::string error_message;
  std::string url;          ///< what was dialled, without credentials
  int response_status = 0;  ///< 0 without an answer
  http::Headers response_headers;
  std::string response_body;  ///< at most 64 KiB
  bool response_truncated = false;
  Duration dns{}, connect{}, tls{}, first_byte{}, total{};
  Time started_at;
};

enum class AgentState { enrolling, enrolled, revoked };
/// What follows when two processes seem to run on copies of one agent's state.
enum class OnCopy {
  alert,  ///< an alarm
  deny,   ///< an alarm, and the one that shows the older state is refused
};

/// A process on a private host. Only verifiers of its secret are here: nothing that could log in as it.
struct Agent {
  AgentId id;
  WorkspaceId workspace_id;
  std::string name;  ///< unique in the workspace
  AgentState state = AgentState::enrolling;
  std::string stored_key;        ///< 32 bytes, SHA-256(ClientKey); empty until it has joined
  std::string server_key;        ///< 32 bytes; proves the relay to the agent. Sealed at rest
  std::uint64_t generation = 0;  ///< grows at each login; a copy of the agent's state shows as an old one
  std::string facts_json;        ///< what the agent said of its host when it joined
  bool replicas = false;         ///< several processes may hold sessions as this agent
  std::optional<Time> last_seen_at;
  Time created_at;
  // Of the secret that is to follow, until the first login with it; empty: none.
  std::string next_stored_key = {};
  std::string next_server_key = {};
  std::uint32_t key_epoch = 0;                 ///< grows with each rotation
  std::optional<Time> keyed_at = {};           ///< since when the secret is in use; none: it never changed
  std::optional<Time> rotation_asked_at = {};  ///< by a person; none once it has happened
  OnCopy on_copy = OnCopy::alert;
  std::optional<Time> copy_suspected_at = {};  ///< the newest alarm; none: no, or a person has cleared it
  std::string copy_suspected_from = {};        ///< address:port of the login that raised it
  std::optional<Time> copy_cleared_at = {};
};

/// A join token that is out: single use, short-lived. Holds verifiers of the join secret only.
struct Enrollment {
  JoinId id;
  AgentId agent_id;
  WorkspaceId workspace_id;
  std::string stored_key;
  std::string server_key;
  Time expires_at;
  std::string claim_digest;  ///< SHA-256 of the ENROLL that used it; the same one again is answered alike
};

struct ApiKey {
  KeyId id;
  WorkspaceId workspace_id;
  std::string name;
  std::string secret_digest;  ///< SHA-256 of the whole key text (it has more than 128 random bits)
  bool revoked = false;
  Time created_at;
};

struct AuditEntry {
  AuditId id;
  WorkspaceId workspace_id;
  std::string actor;   ///< "key_…", "agt_…", "provider" or "relay"
  std::string action;  ///< "source.created", "ingest.refused", …
  std::string object;  ///< id of what it was done to
  std::string detail_json;
  Time at;
};

std::string_view to_text(DestinationKind kind);
std::string_view to_text(DeliveryState state);
std::string_view to_text(Outcome outcome);
std::string_view to_text(AgentState state);
std::optional<DestinationKind> destination_kind_from(std::string_view text);
std::optional<DeliveryState> delivery_state_from(std::string_view text);
std::optional<Outcome> outcome_from(std::string_view text);
std::optional<AgentState> agent_state_from(std::string_view text);

/// Its route's programs ended it before any attempt: "filtered", "filter_failed: …", "transform_failed: …".
/// There are no bytes that could be sent again; only the programs, run again, can say what they would be.
bool settled_by_route(std::string_view reason);

/// pending, leased and parked can still move; the rest are for ever.
inline bool is_terminal(DeliveryState state) {
  return state >= DeliveryState::delivered;
}

}  // namespace postern::relay
