#include "relay/ingest/ingest_handler.hpp"

#include <boost/json.hpp>

#include "base/log.hpp"
#include "relay/ingest/ingest_answers.hpp"
#include "relay/ingest/ingest_path.hpp"
#include "relay/providers/handshake.hpp"
#include "relay/routing/outcome.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

std::atomic<std::uint64_t> next_serial = 1;

http::Response storage_low() {
  return answer_unavailable("storage_low", "the relay is short of storage", 30);
}
http::Response unusable() {
  return answer_unavailable("source_unusable",
                            "the source's settings cannot be used; its owner has to see to it", 30);
}

std::string refusal_detail(const Source& source, const SignatureVerdict& verdict, std::string_view peer,
                           std::uint64_t left_out) {
  boost::json::object detail = {
      {"code", verdict.code}, {"message", verdict.message}, {"provider", source.provider}, {"peer", peer}};
  if (verdict.skew_seconds) detail["skew_seconds"] = *verdict.skew_seconds;
  if (left_out > 0) detail["left_out_before"] = left_out;
  return boost::json::serialize(detail);
}

void settle_routes(const RoutePlan& plan, const std::vector<Ruling>& rulings,
                   std::vector<NewDelivery>& deliveries) {
  for (std::size_t i = 0; i < rulings.size(); ++i) {
    apply(rulings[i], plan.programs[i], deliveries[plan.places[i]]);
  }
}

}  // namespace

struct IngestHandler::Loop {
  SourceCache sources;
  AppendGate gate;
  AppendGate gate_after_programs;  ///< with what time those leave
};

IngestHandler::IngestHandler(IngestParts parts, IngestOptions options)
    : parts_(std::move(parts)),
      options_(options),
      metrics_(parts_.metrics),
      limits_(parts_.limiter, parts_.clock, options_.failures_per_minute, parts_.metrics),
      overload_(parts_.shedding, options_.turn_most),
      catalog_version_(std::make_shared<std::atomic<std::uint64_t>>(1)),
      serial_(next_serial++) {
  parts_.catalog.on_change([version = catalog_version_](const Catalog&) { version->fetch_add(1); });
}

IngestHandler::~IngestHandler() = default;

/// The thread's own pointer is a shortcut past the lock; the handler owns what it points to.
IngestHandler::Loop& IngestHandler::here() {
  thread_local std::uint64_t owner = 0;
  thread_local Loop* loop = nullptr;
  if (loop != nullptr && owner == serial_) return *loop;
  const std::lock_guard lock(loops_mutex_);
  auto& made = loops_[std::this_thread::get_id()];
  if (!made) {
    const auto late = [this] { metrics_.late_commits.Increment(); };
    made.reset(new Loop{{parts_.catalog, *catalog_version_, options_.limits},
                        {parts_.log, options_.store_limit, late},
                        {parts_.log, options_.store_limit - options_.store_limit / 2, late}});
  }
  owner = serial_;
  loop = made.get();
  return *loop;
}

http::HeadDecision IngestHandler::on_head(const http::Request& head) {
  const auto path = parse_ingest_path(head.path());
  if (path && head.method != "POST") {
    metrics_.method_refused.Increment();
    return answer_method_not_allowed();
  }
  const ReadySource* const ready = path ? here().sources.find(path->source_path) : nullptr;
  if (ready == nullptr) {
    metrics_.unknown.Increment();
    return answer_not_found();
  }
  if (!parts_.allowed()) {
    count(ready->source->id, find_provider(ready->source->provider), IngestResult::not_allowed);
    return storage_low();
  }
  const SteadyTime now = parts_.clock.steady();
  if (overload_.refuses(*ready, now)) {
    http::Response refusal = overloaded(ready->source->id, find_provider(ready->source->provider));
    refusal.close = overload_.is_late(now);
    return refusal;
  }
  const auto entry = limits_.enter(*ready, head.peer);
  if (!entry) {
    count(ready->source->id, find_provider(ready->source->provider), IngestResult::rate_limited);
    return answer_limited(entry.error());
  }
  return http::ReadBody{static_cast<std::size_t>(ready->source->body_limit_bytes),
                        static_cast<std::uint32_t>(*entry)};
}

asio::awaitable<http::Response> IngestHandler::on_request(http::Request request) {
  const SteadyTime began = parts_.clock.steady();
  Loop& loop = here();
  auto admitted = admit(loop, std::move(request), parts_.clock.now());
  if (!admitted) co_return std::move(admitted.error());
  auto executor = co_await asio::this_coro::executor;
  AppendGate* gate = &loop.gate;
  if (admitted->plan) {
    gate = &loop.gate_after_programs;
    auto rulings = co_await evaluate(parts_.programs, job_of(*admitted), options_.store_limit / 2);
    if (!rulings) co_return programs_busy(*admitted, rulings.error());
    settle_routes(*admitted->plan, *rulings, admitted->event.deliveries);
  }
  auto share = bodies_.take(admitted->event.event->workspace_id, admitted->event.event->body.size());
  if (!share.allowed) co_return too_many_bytes(*admitted);
  const AppendGate::Answer stored =
      co_await gate->append(std::move(admitted->event), executor, std::move(share.hold));
  metrics_.observe(parts_.clock.steady() - began);
  co_return answer(*admitted, stored);
}

/// Everything up to the store. The source is looked up again: it may have changed while the body came in.
std::expected<IngestHandler::Admitted, http::Response> IngestHandler::admit(Loop& loop, http::Request request,
                                                                            Time received_at) {
  const auto path = parse_ingest_path(request.path());
  ReadySource* const ready = path ? loop.sources.find(path->source_path) : nullptr;
  if (ready == nullptr) return std::unexpected(answer_not_found());
  const Provider* const provider = find_provider(ready->source->provider);
  const auto turn_away = [&](IngestResult result, http::Response response) {
    count(ready->source->id, provider, result);
    return std::unexpected(std::move(response));
  };
  if (!ready->compiled) return turn_away(IngestResult::misconfigured, unusable());
  if (!parts_.allowed()) return turn_away(IngestResult::not_allowed, storage_low());
  if (ready->compiled->is_signed()) {
    const SignatureVerdict verdict = ready->compiled->verify(request.headers, request.body, received_at);
    if (!verdict.ok()) {
      const auto often = limits_.failed(*ready, request.peer);
      if (!often) return turn_away(IngestResult::rate_limited, answer_limited(often.error()));
      return turn_away(result_of_verdict(verdict.code), refuse(*ready, verdict, request.peer, received_at));
    }
  }
  const auto charged = limits_.verified(*ready, IngestLimits::Entry{request.note});
  if (!charged) return turn_away(IngestResult::rate_limited, answer_limited(charged.error()));
  if (ready->compiled->is_signed()) {
    auto handshake = answer_handshake(*provider, request.headers, request.body);
    if (handshake) return turn_away(IngestResult::handshake, std::move(*handshake));
  }
  if (overload_.refuses_to_store(*ready, request.body.size(), parts_.clock.steady())) {
    limits_.give_back(*ready);
    return std::unexpected(overloaded(ready->source->id, provider));
  }
  const std::string topic = decode_topic(path->topic);
  Admitted admitted{ready->source->id,
                    provider,
                    make_event(*ready, topic, std::move(request), received_at),
                    ready->plan,
                    {}};
  if (ready->plan) admitted.source_name = ready->source->name;
  return admitted;
}

ProgramJob IngestHandler::job_of(const Admitted& admitted) const {
  ProgramJob job;
  job.event = admitted.event.event;
  job.programs = std::shared_ptr<const std::vector<RoutePrograms>>(admitted.plan, &admitted.plan->programs);
  job.provider = admitted.provider->name;
  job.source = admitted.source_name;
  job.line = admitted.event.event->source_id;
  return job;
}

http::Response IngestHandler::overloaded(SourceId source, const Provider* provider) {
  count(source, provider, IngestResult::overloaded);
  return answer_overloaded(refused_.fetch_add(1, std::memory_order_relaxed));
}

http::Response IngestHandler::too_many_bytes(const Admitted& admitted) {
  count(admitted.source, admitted.provider, IngestResult::store_busy);
  return answer_unavailable("store_busy",
                            "the workspace has too many large events on their way; send the event again", 1);
}

http::Response IngestHandler::programs_busy(const Admitted& admitted, const Error& error) {
  count(admitted.source, admitted.provider, IngestResult::programs_busy);
  return answer_unavailable(error.code, error.message + "; send the event again", 2);
}

NewEvent IngestHandler::make_event(const ReadySource& ready, std::string_view topic, http::Request request,
                                   Time received_at) {
  auto identity = ready.compiled->identity(request.headers, request.body, topic);
  auto event = std::make_shared<Event>();
  event->id = parts_.ids.make<EventTag>();
  event->workspace_id = ready.source->workspace_id;
  event->source_id = ready.source->id;
  event->type = std::move(identity.type);
  event->dedupe_key = std::move(identity.dedupe_key);
  event->verified = ready.compiled->is_signed();
  event->method = std::move(request.method);
  event->target = std::move(request.target);
  event->headers = std::move(request.headers);
  event->body = std::move(request.body);
  event->peer = std::move(request.peer);
  event->received_at = received_at;
  NewEvent out{.event = std::move(event), .deliveries = {}, .dedupe_window = ready.source->dedupe_window};
  out.deliveries.reserve(ready.destinations.size());
  for (std::size_t i = 0; i < ready.destinations.size(); ++i) {
    out.deliveries.push_back({.id = parts_.ids.make<DeliveryTag>(),
                              .destination_id = ready.destinations[i],
                              .order_key = ready.orders[i].key_of(*out.event)});
  }
  return out;
}

/// 401, with an audit entry and a log line unless the source has had too many of them lately.
http::Response IngestHandler::refuse(const ReadySource& ready, const SignatureVerdict& verdict,
                                     std::string_view peer, Time at) {
  const Source& source = *ready.source;
  const auto left_out = refusals_.admit(source.id, parts_.clock.steady());
  if (!left_out) {
    metrics_.audit_left_out.Increment();
    return answer_unauthorized(verdict);
  }
  log::warn("ingest.refused", {{"source", source.id}, {"code", verdict.code}, {"peer", peer}});
  parts_.audit(AuditEntry{.id = parts_.ids.make<AuditTag>(),
                          .workspace_id = source.workspace_id,
                          .actor = "provider",
                          .action = "ingest.refused",
                          .object = source.id.to_string(),
                          .detail_json = refusal_detail(source, verdict, peer, *left_out),
                          .at = at});
  return answer_unauthorized(verdict);
}

http::Response IngestHandler::answer(const Admitted& admitted, const AppendGate::Answer& stored) {
  const auto tell = [&](IngestResult result) { count(admitted.source, admitted.provider, result); };
  if (!stored) {
    tell(IngestResult::store_timeout);
    return answer_unavailable("store_timeout", "the store did not answer in time; send the event again", 2);
  }
  if (!*stored) {
    const bool busy = (*stored).error().code == "store_busy";
    tell(busy ? IngestResult::store_busy : IngestResult::store_failed);
    return busy ? answer_unavailable("store_busy", "the store's queue is full; send the event again", 1)
                : answer_unavailable("store_failed", "the store cannot commit; send the event again", 10);
  }
  tell((*stored)->duplicate ? IngestResult::duplicate : IngestResult::accepted);
  return answer_stored(*admitted.provider, **stored);
}

void IngestHandler::count(SourceId source, const Provider* provider, IngestResult result) {
  metrics_.count(provider, result);
  if (parts_.activity == nullptr) return;
  if (result == IngestResult::accepted) return parts_.activity->accepted(source);
  const bool good = result == IngestResult::duplicate || result == IngestResult::handshake;
  if (!good) parts_.activity->refused(source);
}

}  // namespace postern::relay
