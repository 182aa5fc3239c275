#pragma once
#include <prometheus/registry.h>

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/http/server.hpp"
#include "base/id.hpp"
#include "relay/ingest/append_gate.hpp"
#include "relay/ingest/body_share.hpp"
#include "relay/ingest/ingest_limits.hpp"
#include "relay/ingest/ingest_metrics.hpp"
#include "relay/ingest/overload_gate.hpp"
#include "relay/ingest/refusal_limiter.hpp"
#include "relay/ingest/source_cache.hpp"
#include "relay/limits/shared_activity.hpp"
#include "relay/model.hpp"
#include "relay/routing/program_pool.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// What ingest stands on. Everything outlives the handler.
struct IngestParts {
  CatalogHolder& catalog;
  EventLog& log;
  const Clock& clock;
  IdGenerator& ids;
  prometheus::Registry& metrics;
  ProgramPool& programs;
  /// Takes refusals, already limited per source. Called on any loop; must not block.
  std::function<void(AuditEntry)> audit;
  /// False while the store must not grow (disk low water). Called on any loop, twice a request; must not
  /// block.
  std::function<bool()> allowed;
  Limiter& limiter;
  SharedActivity* activity = nullptr;  ///< null: nobody counts
  Shedding* shedding = nullptr;        ///< null: the store's own bounds are all there is
};

struct IngestOptions {
  /// From the whole request to the 503 when the store does not answer. The event may still be committed after
  /// that; the sender's repeat is then answered as its duplicate. Senders are promised 2 s: the rest is for
  /// the way.
  Duration store_limit = std::chrono::milliseconds(1800);
  /// For so long a loop takes events in one turn; see OverloadGate. 0: as long as there are some.
  Duration turn_most = {};
  DefaultLimits limits = {};              ///< 0: unlimited
  std::uint32_t failures_per_minute = 0;  ///< wrong signatures from one address at one source; 0: unlimited
};

/// POST /in/{workspace}/{source}[/{topic…}]: find, verify, store, and only then answer.
///
///   202 or the provider's own  stored            {"event_id":"evt_…","duplicate":false}
///   200 or the provider's own  seen before       the first event's id, "duplicate":true
///   200                        a handshake the provider asked for, signed; never stored
///   401  missing_header, malformed_signature, timestamp_out_of_tolerance, no_matching_secret; audited
///   404  not_found             no such source, or a disabled one
///   405  method_not_allowed
///   413  from the server, at the source's body limit
///   429  rate_limited, too_many_failures; with Retry-After; counted, never audited
///   503  overloaded (before the body is read, if possible), programs_busy, store_busy, store_failed,
///   store_timeout, storage_low, source_unusable; with Retry-After
///
/// A source's deliveries go to the destinations of its enabled routes, one each. A disabled destination is
/// not left out: its delivery is committed too, for the dispatcher to park as "destination_disabled", so that
/// nobody has to guess where an event went.
///
/// Routes with programs are asked after the signature is found good and before the commit, off the loop, in
/// at most half of the time there is; their events are committed with what came of it (see relay/routing). A
/// source whose routes have none goes past all of that.
///
/// Threads: on_head and on_request run on all loops at once. What a loop needs is kept per thread and made at
/// that thread's first request, so a thread must run one loop only; loops share nothing but counters, and a
/// lock that only refused requests take. Destroy the handler after the server and the loops' threads have
/// stopped, and before the loops.
class IngestHandler final : public http::Handler {
 public:
  explicit IngestHandler(IngestParts parts, IngestOptions options = {});
  ~IngestHandler() override;

  http::HeadDecision on_head(const http::Request& head) override;
  boost::asio::awaitable<http::Response> on_request(http::Request request) override;
  /// For http::ServerOptions::is_full: on one loop only.
  bool turns_away() { return overload_.turns_away(parts_.clock.steady()); }

 private:
  struct Loop;
  struct Admitted {
    SourceId source;
    const Provider* provider;
    NewEvent event;
    std::shared_ptr<const RoutePlan> plan;  ///< null: nothing to ask
    std::string source_name;                ///< its name, for the programs
  };

  Loop& here();
  std::expected<Admitted, http::Response> admit(Loop& loop, http::Request request, Time received_at);
  NewEvent make_event(const ReadySource& ready, std::string_view topic, http::Request request,
                      Time received_at);
  http::Response refuse(const ReadySource& ready, const SignatureVerdict& verdict, std::string_view peer,
                        Time at);
  http::Response overloaded(SourceId source, const Provider* provider);
  http::Response too_many_bytes(const Admitted& admitted);
  http::Response programs_busy(const Admitted& admitted, const Error& error);
  ProgramJob job_of(const Admitted& admitted) const;
  http::Response answer(const Admitted& admitted, const AppendGate::Answer& answer);
  void count(SourceId source, const Provider* provider, IngestResult result);

  IngestParts parts_;
  IngestOptions options_;
  IngestMetrics metrics_;
  IngestLimits limits_;
  OverloadGate overload_;
  BodyShare bodies_;
  std::atomic<unsigned> refused_{0};  ///< spreads when they are told to come back
  RefusalLimiter refusals_;
  std::shared_ptr<std::atomic<std::uint64_t>> catalog_version_;
  const std::uint64_t serial_;  ///< tells handlers apart, even one at another's old address
  std::mutex loops_mutex_;      ///< for a thread's first request
  std::unordered_map<std::thread::id, std::unique_ptr<Loop>> loops_;
};

}  // namespace postern::relay
