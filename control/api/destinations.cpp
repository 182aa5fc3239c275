#include "control/api/destination_policy.hpp"
#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/names.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"
#include "relay/destinations/destination_url.hpp"
#include "relay/destinations/signing_secret.hpp"
#include "relay/notify/domain_event.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Destination;
using relay::DestinationKind;
using relay::DestinationRepository;
using relay::Transaction;

constexpr Duration kTimeoutMost = std::chrono::minutes(5);
constexpr std::size_t kRetriesMost = 128;
constexpr Duration kRetryWaitMost = std::chrono::days(7);
constexpr std::size_t kFinalStatusesMost = 64;
constexpr std::int64_t kConcurrencyMost = 1024;

/// Everything a create and a patch have in common.
void read_fields(Fields& fields, Destination& destination) {
  if (auto name = fields.text("name", kNameBytes)) {
    if (!is_name(*name)) fields.wrong("name", std::string(kNameRule));
    destination.name = std::move(*name);
  }
  if (auto url = fields.text("url", relay::kMostUrlBytes)) destination.url = std::move(*url);
  if (const auto agent = fields.id<AgentId>("agent_id")) destination.agent_id = *agent;
  if (auto subject = fields.text("subject", relay::kMostSubjectTemplateBytes))
    destination.subject = std::move(*subject);
  if (const json::object* map = fields.object("event_map"))
    destination.event_map = map->empty() ? std::string() : json::serialize(*map);
  if (const auto limit = fields.duration("timeout", std::chrono::milliseconds(100), kTimeoutMost)) {
    destination.timeout = *limit;
  }
  if (auto waits = fields.durations("retry_schedule", kRetriesMost, kRetryWaitMost)) {
    destination.retry_schedule = std::move(*waits);
  }
  if (auto statuses = fields.integers("final_statuses", kFinalStatusesMost, 300, 599)) {
    destination.final_statuses = std::move(*statuses);
  }
  if (const auto most = fields.integer("concurrency", 1, kConcurrencyMost)) {
    destination.concurrency = static_cast<unsigned>(*most);
  }
  read_policy(fields, destination);
  if (const auto enabled = fields.boolean("enabled")) {
    destination.enabled = *enabled;
    destination.disabled_reason = *enabled ? "" : "admin";
  }
}

/// True when the request asks for signing to be on (the default for what can check it).
bool read_signed(Fields& fields, const Destination& destination) {
  const bool slack = destination.kind == DestinationKind::slack;
  const bool nats = destination.kind == DestinationKind::nats;
  const auto wanted = fields.boolean("signed");
  if (slack && wanted.value_or(false)) fields.wrong("signed", "Slack does not check signatures.");
  if (nats && wanted.value_or(false))
    fields.wrong("signed", "is not for kind nats: the connection to NATS vouches for the relay.");
  return wanted.value_or(!slack && !nats);
}

/// `created`: a destination that exists stays changeable when NATS has been taken from the settings.
void check_nats(Fields& fields, const Destination& destination, const NatsFacts& nats, bool created) {
  if (created && !nats.configured)
    fields.wrong("kind", "nats: this relay has no NATS; its operator sets nats.url (docs/nats.md).");
  if (fields.has("url"))
    fields.wrong("url", "is not for kind nats: events go to the relay's own NATS (nats.url).");
  // As with a URL: only what is being set; what is stored is judged at every attempt.
  if (created || fields.has("subject")) {
    const auto subject = relay::SubjectTemplate::parse(destination.subject, nats.subject_prefix);
    if (!subject) fields.wrong("subject", subject.error().message + ".");
  }
  const auto map = relay::EventMap::parse(destination.event_map);
  if (!map) fields.wrong("event_map", map.error().message + ".");
}

void check_kind(Fields& fields, const Destination& destination, const ApiServices& services, bool created) {
  const bool agent = destination.kind == DestinationKind::agent;
  if (agent && !destination.agent_id) fields.wrong("agent_id", "is required for kind agent.");
  if (!agent && destination.agent_id) fields.wrong("agent_id", "is for kind agent only.");
  if (destination.kind == DestinationKind::nats)
    return check_nats(fields, destination, services.nats, created);
  for (const std::string_view field : {"subject", "event_map"}) {
    if (fields.has(field)) fields.wrong(field, "is for kind nats only.");
  }
  if (created) fields.require("url");
  // Only a URL that is being set: one that the settings have since forbidden must not stand in the way of
  // switching its destination off. What is dialled is judged at every attempt.
  if (!fields.has("url") || destination.url.empty()) return;
  const auto url = relay::validate_destination_url(destination.kind, destination.url, services.egress);
  if (!url) fields.wrong("url", url.error().message);
}

/// An agent of another workspace is not there.
std::optional<Problem> check_agent(Transaction& tx, const Destination& destination,
                                   const ApiServices& services) {
  if (!destination.agent_id) return std::nullopt;
  const auto agent =
      relay::AgentRepository(tx, services.keyring).get(destination.workspace_id, *destination.agent_id);
  if (agent) return std::nullopt;
  return invalid_fields({{"agent_id", "names no agent of this workspace."}});
}

Written written(int status, std::string_view action, const Destination& destination,
                const ApiServices& services) {
  json::object detail{{"name", json_text(destination.name)},
                      {"kind", relay::to_text(destination.kind)},
                      {"url", json_text(shown_url(destination))},
                      {"enabled", destination.enabled}};
  return {status,
          view(destination, services),
          {std::string(action), destination.id.to_string(), std::move(detail)}};
}

void show_secret_once(json::value& body, const Destination& destination) {
  body.as_object()["signing_secret"] = destination.signing_secret;
}

void read_kind(Fields& fields, Destination& destination) {
  fields.require("kind");
  const auto text = fields.text("kind", 16);
  if (!text) return;
  const auto kind = relay::destination_kind_from(*text);
  if (!kind) return fields.wrong("kind", "must be http, agent, slack or nats.");
  destination.kind = *kind;
}

/// Applies a PATCH to what is stored; true when a new signing secret was made and is to be shown.
bool patch_fields(Fields& fields, Destination& destination, const ApiServices& services) {
  if (fields.has("kind")) fields.wrong("kind", "cannot be changed: make a new destination.");
  read_fields(fields, destination);
  check_kind(fields, destination, services, false);
  const bool was_signed = !destination.signing_secret.empty();
  const bool wanted = fields.has("signed") ? read_signed(fields, destination) : was_signed;
  const bool rotate = fields.boolean("rotate_signing_secret").value_or(false);
  if (rotate && !wanted) fields.wrong("rotate_signing_secret", "needs a destination that is signed.");
  if (!wanted) destination.signing_secret.clear();
  if (!wanted || (was_signed && !rotate)) return false;
  destination.signing_secret = relay::new_signing_secret(services.random);
  return true;
}

}  // namespace

asio::awaitable<Reply> list_destinations(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<DestinationId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, page, who = call.who](Transaction& tx) -> Reply {
    const auto found = DestinationRepository(tx, services.keyring).list(who.workspace_id, page);
    return json_response(200, listing(found, [&](const Destination& item) { return view(item, services); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> create_destination(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Destination destination;
  destination.id = services.ids.of<DestinationId>();
  destination.workspace_id = call.who.workspace_id;
  destination.created_at = destination.updated_at = services.clock.now();
  Fields fields(*body);
  fields.require("name");
  read_kind(fields, destination);
  read_fields(fields, destination);
  check_kind(fields, destination, services, true);
  if (read_signed(fields, destination))
    destination.signing_secret = relay::new_signing_secret(services.random);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, destination](Transaction& tx) -> std::expected<Written, Problem> {
    if (auto problem = check_agent(tx, destination, services)) return std::unexpected(std::move(*problem));
    const auto created = DestinationRepository(tx, services.keyring).create(destination);
    if (!created) return std::unexpected(problem_from(created.error()));
    Written done = written(201, "destination.created", destination, services);
    if (!destination.signing_secret.empty()) show_secret_once(done.body, destination);
    return done;
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> get_destination(const ApiServices& services, Call call) {
  const auto id = call.id<DestinationId>("destination");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto destination = DestinationRepository(tx, services.keyring).get(who.workspace_id, id);
    if (!destination) return std::unexpected(problem_from(destination.error()));
    return json_response(200, view(*destination, services));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_destination(const ApiServices& services, Call call) {
  const auto id = call.id<DestinationId>("destination");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  auto job = [&services, id = *id, who = call.who,
              patch = *body](Transaction& tx) -> std::expected<Written, Problem> {
    DestinationRepository destinations(tx, services.keyring);
    auto destination = destinations.get(who.workspace_id, id);
    if (!destination) return std::unexpected(problem_from(destination.error()));
    Fields fields(patch);
    const bool new_secret = patch_fields(fields, *destination, services);
    if (auto problem = fields.finish()) return std::unexpected(std::move(*problem));
    if (auto problem = check_agent(tx, *destination, services)) return std::unexpected(std::move(*problem));
    destination->updated_at = services.clock.now();
    const auto updated = destinations.update(*destination);
    if (!updated) return std::unexpected(problem_from(updated.error()));
    Written done = written(200, "destination.updated", *destination, services);
    if (new_secret) show_secret_once(done.body, *destination);
    return done;
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.deliveries.wake(*id);
  co_return reply;
}

asio::awaitable<Reply> reset_breaker(const ApiServices& services, Call call) {
  const auto id = call.id<DestinationId>("destination");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (auto problem = Fields(*body).finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    const auto destination = DestinationRepository(tx, services.keyring).get(who.workspace_id, id);
    if (!destination) return std::unexpected(problem_from(destination.error()));
    return Written{204, nullptr, {"destination.breaker_reset", id.to_string()}};
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.deliveries.reset_breaker(*id);
  co_return reply;
}

asio::awaitable<Reply> delete_destination(const ApiServices& services, Call call) {
  const auto id = call.id<DestinationId>("destination");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    DestinationRepository destinations(tx, services.keyring);
    const auto removed = destinations.remove(who.workspace_id, id, services.clock.now());
    if (!removed) return std::unexpected(problem_from(removed.error()));
    return Written{204, nullptr, {"destination.deleted", id.to_string()}};
  };
  co_return co_await write(services, call, std::move(job));
}

}  // namespace postern::control
