#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/route_programs.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::EventRepository;
using relay::Transaction;

constexpr std::size_t kDeliveriesShown = 500;

relay::EventFilter read_filter(Query& query) {
  relay::EventFilter filter;
  filter.source_id = query.id<SourceId>("source_id");
  filter.type = query.text("type").value_or("");
  if (const auto status = query.text("status")) {
    filter.status = relay::delivery_state_from(*status);
    if (!filter.status)
      query.wrong("status", "must be pending, leased, parked, delivered, dead or cancelled.");
  }
  filter.since = query.time("since");
  filter.until = query.time("until");
  return filter;
}

/// A success that delivers nothing would be taken for one that did.
Problem nowhere_to_go() {
  return {409, "no_destination",
          "This event had no destination that is still there. Name one: destination_id (--destination)."};
}

Written replayed(EventId event, const std::vector<DeliveryId>& made, std::string_view configuration) {
  json::array ids;
  for (const DeliveryId& delivery : made) ids.push_back(json::value(delivery.to_string()));
  const json::object answer{{"delivery_ids", ids}};
  json::object detail = answer;
  detail["configuration"] = configuration;
  return {201, answer, {"event.replayed", event.to_string(), std::move(detail)}};
}

/// As it went before: the same bytes to the same places.
WriteJob replay_original(const ApiServices& services, WorkspaceId workspace, EventId id,
                         std::optional<DestinationId> destination) {
  return [&services, workspace, id, destination](Transaction& tx) -> std::expected<Written, Problem> {
    relay::DeliveryRepository deliveries(tx);
    const auto made = deliveries.replay(workspace, id, destination, services.ids, services.clock.now());
    if (!made) return std::unexpected(problem_from(made.error()));
    if (made->empty()) return std::unexpected(nowhere_to_go());
    return replayed(id, *made, "original");
  };
}

/// As the routes are now.
asio::awaitable<std::expected<WriteJob, Problem>> replay_current(const ApiServices& services,
                                                                 WorkspaceId workspace, EventId id,
                                                                 std::optional<DestinationId> destination) {
  auto get = [workspace, id](Transaction& tx) { return EventRepository(tx).get(workspace, id); };
  auto found = co_await relay::read<Result<relay::StoredEvent>>(services.database, std::move(get));
  if (!found) co_return std::unexpected(problem_from(found.error()));
  if (!*found) co_return std::unexpected(problem_from(found->error()));
  auto event = std::make_shared<const relay::Event>(std::move((*found)->event));
  auto decided = co_await decide_routes(services, std::move(event), destination);
  if (!decided) co_return std::unexpected(std::move(decided.error()));
  co_return [&services, workspace, id,
             deliveries = std::move(*decided)](Transaction& tx) -> std::expected<Written, Problem> {
    const auto stored =
        relay::DeliveryRepository(tx).replay_as(workspace, id, deliveries, services.clock.now());
    if (!stored) return std::unexpected(problem_from(stored.error()));
    std::vector<DeliveryId> made;
    for (const relay::NewDelivery& delivery : deliveries) made.push_back(delivery.id);
    return replayed(id, made, "current");
  };
}

/// The body as a download: whatever a stranger sent must never run in the browser of who looks at it.
http::Response body_response(const relay::Event& event) {
  const std::string* type = http::find_header(event.headers, "Content-Type");
  return {.status = 200,
          .headers = {{"Content-Type", type && !type->empty() ? *type : "application/octet-stream"},
                      {"Content-Disposition",
                       fmt::format("attachment; filename=\"{}.body\"", event.id.to_string())},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Content-Security-Policy", "sandbox; default-src 'none'"},
                      {"Cache-Control", "no-store"}},
          .body = event.body};
}

}  // namespace

asio::awaitable<Reply> list_events(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page_of_events();
  const relay::EventFilter filter = read_filter(query);
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [page, filter, who = call.who](Transaction& tx) -> Reply {
    const auto found = EventRepository(tx).list(who.workspace_id, filter, page);
    return json_response(200, listing(found, [](const relay::EventSummary& event) { return view(event); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> get_event(const ApiServices& services, Call call) {
  const auto id = call.id<EventId>("event");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto event = EventRepository(tx).get(who.workspace_id, id);
    if (!event) return std::unexpected(problem_from(event.error()));
    relay::DeliveryFilter of_event;
    of_event.event_id = id;
    const auto owed = relay::DeliveryRepository(tx).list(who.workspace_id, of_event, {kDeliveriesShown, ""});
    return json_response(200, view(*event, owed.items));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> get_event_body(const ApiServices& services, Call call) {
  const auto id = call.id<EventId>("event");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto event = EventRepository(tx).get(who.workspace_id, id);
    if (!event) return std::unexpected(problem_from(event.error()));
    if (event->event.body_expired) return std::unexpected(body_gone());
    return body_response(event->event);
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> replay_event(const ApiServices& services, Call call) {
  const auto id = call.id<EventId>("event");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const auto destination = fields.id<DestinationId>("destination_id");
  const std::string configuration = fields.text("configuration", 20).value_or("original");
  if (configuration != "original" && configuration != "current") {
    fields.wrong("configuration",
                 "must be original (the same bytes again) or current (the routes as they are now).");
  }
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  WriteJob job = replay_original(services, call.who.workspace_id, *id, destination);
  if (configuration == "current") {
    auto current = co_await replay_current(services, call.who.workspace_id, *id, destination);
    if (!current) co_return std::unexpected(std::move(current.error()));
    job = std::move(*current);
  }
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.deliveries.wake();
  co_return reply;
}

}  // namespace postern::control
