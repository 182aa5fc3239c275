#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "relay/model.hpp"
#include "relay/store/agent_login.hpp"
#include "relay/store/database.hpp"
#include "relay/store/event_log.hpp"
#include "relay/store/keyring.hpp"

/// Repositories: the only code that knows the tables, written once for every engine. They run inside a
/// Transaction, on a database thread. Every query names the workspace; an id of another workspace is simply
/// not found. Errors are values: `not_found`, `name_taken` (409), `in_use` (409: something still refers to
/// it).
namespace postern::relay {

/// A page of a listing: newest first, at most `limit` items after `cursor`.
struct Page {
  std::size_t limit = 50;  ///< 1 to 500
  std::string cursor;      ///< empty: from the start; else a next_cursor of the same listing
};
template <class T>
struct Listing {
  std::vector<T> items;
  std::string next_cursor;  ///< empty: that was all
};

class WorkspaceRepository {
 public:
  explicit WorkspaceRepository(Transaction& tx) : tx_(tx) {}
  Result<void> create(const Workspace& workspace, const Keyring& keyring);  ///< with a fresh sealed data key
  std::vector<Workspace> all();
  Result<Workspace> get(WorkspaceId id);
  Result<void> set_rate_limit(WorkspaceId id, std::uint32_t per_second, std::uint32_t burst);
  Result<void> set_retention(WorkspaceId id, const RetentionOverrides& retention);
  /// Makes every workspace's data key usable. Error `wrong_master_key`.
  Result<void> load_data_keys(Keyring& keyring);

 private:
  Transaction& tx_;
};

class SourceRepository {
 public:
  SourceRepository(Transaction& tx, const Keyring& keyring) : tx_(tx), keyring_(keyring) {}
  Result<void> create(const Source& source);
  Result<void> update(const Source& source);                ///< everything but id, workspace and created_at
  Result<void> remove(WorkspaceId workspace, SourceId id);  ///< its events stay; its routes go with it
  Result<Source> get(WorkspaceId workspace, SourceId id);
  Listing<Source> list(WorkspaceId workspace, const Page& page);
  std::vector<Source> all();  ///< of every workspace: for the catalog

 private:
  Transaction& tx_;
  const Keyring& keyring_;
};

class DestinationRepository {
 public:
  DestinationRepository(Transaction& tx, const Keyring& keyring) : tx_(tx), keyring_(keyring) {}
  Result<void> create(const Destination& destination);
  Result<void> update(const Destination& destination);
  /// Open deliveries become cancelled with reason "destination_deleted"; its routes go with it.
  Result<void> remove(WorkspaceId workspace, DestinationId id, Time now);
  Result<Destination> get(WorkspaceId workspace, DestinationId id);
  Listing<Destination> list(WorkspaceId workspace, const Page& page);
  std::vector<Destination> all();

 private:
  Transaction& tx_;
  const Keyring& keyring_;
};

class RouteRepository {
 public:
  explicit RouteRepository(Transaction& tx) : tx_(tx) {}
  /// `not_found` when the source or the destination is not of this workspace; `name_taken` for the same pair
  /// twice.
  Result<void> create(const Route& route);
  Result<void> update(const Route& route);  ///< `enabled`, `filter` and `transform`
  Result<void> remove(WorkspaceId workspace, RouteId id);
  Result<Route> get(WorkspaceId workspace, RouteId id);
  Listing<Route> list(WorkspaceId workspace, const Page& page);
  std::vector<Route> all();

 private:
  Transaction& tx_;
};

/// An agent's ROTATE, over a session that it opened with `proven_key`.
struct NextSecret {
  AgentId agent;
  WorkspaceId workspace;
  std::uint32_t proven_epoch = 0;
  std::string proven_key;  ///< StoredKey
  std::uint32_t key_epoch = 0;
  std::string stored_key;
  std::string server_key;
};

class AgentRepository {
 public:
  AgentRepository(Transaction& tx, const Keyring& keyring) : tx_(tx), keyring_(keyring) {}
  Result<void> create(const Agent& agent);
  /// What people say of it: the rest is the agent's.
  Result<void> update(WorkspaceId workspace, AgentId id, std::string_view name, bool replicas);
  Result<void> revoke(WorkspaceId workspace,
                      AgentId id);  ///< forgets the verifiers and every open enrollment
  Result<void> remove(WorkspaceId workspace, AgentId id);  ///< `in_use` while a destination names it
  Result<Agent> get(WorkspaceId workspace, AgentId id);
  Listing<Agent> list(WorkspaceId workspace, const Page& page);
  std::vector<Agent> all();

  /// Keeps the next verifiers beside those in use; the same again changes nothing. Errors: `not_found`,
  /// `superseded` when the session's secret, or the epoch asked for, is not what the agent has.
  Result<void> set_next_secret(const NextSecret& next, Time now);
  /// At each login. The first with the next secret puts it in use; one that shows a copy is noted.
  Result<LoginFindings> record_login(const AgentLogin& login, Time now);
  Result<void> suspect_copy(AgentId id, std::string_view peer, Time now);
  Result<void> ask_rotation(WorkspaceId workspace, AgentId id, Time now);  ///< `conflict` without a secret
  Result<void> set_on_copy(WorkspaceId workspace, AgentId id, OnCopy on_copy);
  /// The alarm is over, and whichever copy logs in next is the agent.
  Result<void> clear_copy(WorkspaceId workspace, AgentId id, Time now);

  /// Replaces any earlier unused enrollment of the agent.
  Result<void> create_enrollment(const Enrollment& enrollment);
  Result<Enrollment> enrollment(JoinId id);
  /// Single use, compare-and-set: stores the agent's verifiers and marks the enrollment with `claim_digest`.
  /// The same claim again succeeds until it expires (a lost answer costs nothing); another one is `conflict`.
  /// `expired` after expires_at.
  Result<AgentId> claim(JoinId id, std::string_view claim_digest, std::string_view stored_key,
                        std::string_view server_key, std::string_view facts_json, Time now);

 private:
  Transaction& tx_;
  const Keyring& keyring_;
};

struct EventFilter {
  std::optional<SourceId> source_id{};
  std::string type{};                     ///< exact; empty: any
  std::optional<DeliveryState> status{};  ///< events with a delivery in that state
  std::optional<Time> since{}, until{};   ///< received_at in [since, until)
};
/// An event as listings show it: without headers and body.
struct EventSummary {
  EventId id;
  SourceId source_id;
  std::string type;
  bool verified = false;
  std::uint64_t body_size = 0;
  bool body_expired = false;
  std::uint64_t duplicates = 0;  ///< how often the same dedupe key came again
  Time received_at;
};
struct StoredEvent {
  Event event;
  std::uint64_t duplicates = 0;
};

class EventRepository {
 public:
  explicit EventRepository(Transaction& tx) : tx_(tx) {}
  Result<StoredEvent> get(WorkspaceId workspace, EventId id);
  Listing<EventSummary> list(WorkspaceId workspace, const EventFilter& filter, const Page& page);

 private:
  Transaction& tx_;
};

/// The reason of a pending delivery that waits for an older one of its order key.
inline constexpr std::string_view kBehindOlder = "behind_older";

struct DeliveryFilter {
  std::optional<EventId> event_id{};
  std::optional<DestinationId> destination_id{};
  std::optional<DeliveryState> state{};
  std::optional<SourceId> source_id{};
  std::string type{};                    ///< of the event, exact; empty: any
  std::string reason{};                  ///< all of it or what stands before its colon; empty: any
  std::optional<Time> since{}, until{};  ///< created_at in [since, until)
  std::optional<ReplayId> replay_id{};   ///< made by this replay
};
/// How many deliveries ended for one reason.
struct ReasonCount {
  DeliveryState state = DeliveryState::dead;
  std::string reason;
  std::uint64_t count = 0;
};
struct DeliverySummary {
  std::vector<ReasonCount> reasons;  ///< most frequent first
  bool cut = false;                  ///< there were more than were looked at: the newest are counted
};

class DeliveryRepository {
 public:
  explicit DeliveryRepository(Transaction& tx) : tx_(tx) {}
  Result<Delivery> get(WorkspaceId workspace, DeliveryId id);
  std::vector<Attempt> attempts(WorkspaceId workspace, DeliveryId id);  ///< oldest first
  Listing<Delivery> list(WorkspaceId workspace, const DeliveryFilter& filter, const Page& page);
  /// Dead and cancelled deliveries by reason: of the newest 100 000 of each, those that match the filter.
  DeliverySummary summary(WorkspaceId workspace, const DeliveryFilter& filter);
  /// Its own body, made by a transform; null when the event's own bytes are sent, or when it is not there.
  std::shared_ptr<const Payload> payload(WorkspaceId workspace, DeliveryId id);
  /// A new pending delivery of the same event, due now, with the bytes of the one before it. `destination_id`
  /// empty: one for each destination the event had, but for those that its routes' programs settled. Returns
  /// the new ids. `not_found` when the event or destination is not there; `not_replayable` when there are
  /// only settled ones; `body_expired` when what it held is gone.
  Result<std::vector<DeliveryId>> replay(WorkspaceId workspace, EventId event,
                                         std::optional<DestinationId> destination, IdGenerator& ids,
                                         Time now);
  /// The same, as routes decide it now: exactly these deliveries, due now unless they are decided.
  Result<void> replay_as(WorkspaceId workspace, EventId event, const std::vector<NewDelivery>& deliveries,
                         Time now);
  /// An open delivery becomes pending and due now; a dead or cancelled one gets a replay. Returns the
  /// delivery that will be tried. Error `not_retryable` for a delivered one (replay the event instead), for a
  /// leased one, and for one its route's programs settled; `body_expired` when there is nothing left to send.
  Result<DeliveryId> retry(WorkspaceId workspace, DeliveryId id, IdGenerator& ids, Time now);

 private:
  Transaction& tx_;
};

class AuditRepository {
 public:
  explicit AuditRepository(Transaction& tx) : tx_(tx) {}
  void add(const AuditEntry& entry);
  Listing<AuditEntry> list(WorkspaceId workspace, const Page& page);

 private:
  Transaction& tx_;
};

class ApiKeyRepository {
 public:
  explicit ApiKeyRepository(Transaction& tx) : tx_(tx) {}
  Result<void> create(const ApiKey& key);
  void revoke(KeyId id);
  std::vector<ApiKey> all();

 private:
  Transaction& tx_;
};

/// Answers of creating requests, kept 24 h under their Idempotency-Key.
class IdempotencyRepository {
 public:
  explicit IdempotencyRepository(Transaction& tx) : tx_(tx) {}
  struct Kept {
    std::string request_digest;  ///< SHA-256 of method, path and body
    int status = 0;
    std::string body;  ///< sealed by the caller when it holds a secret shown once
  };
  std::optional<Kept> find(WorkspaceId workspace, std::string_view key, Time now);
  void keep(WorkspaceId workspace, std::string_view key, const Kept& kept, Time now);

 private:
  Transaction& tx_;
};

}  // namespace postern::relay
