#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::DeliveryRepository;
using relay::Transaction;

/// What listing and summary share.
void read_common(Query& query, relay::DeliveryFilter& filter) {
  filter.destination_id = query.id<DestinationId>("destination_id");
  filter.source_id = query.id<SourceId>("source_id");
  filter.type = query.text("type").value_or("");
  filter.reason = query.text("reason").value_or("");
  filter.since = query.time("since");
  filter.until = query.time("until");
  if (const auto state = query.text("state")) {
    filter.state = relay::delivery_state_from(*state);
    if (!filter.state) query.wrong("state", "must be pending, leased, parked, delivered, dead or cancelled.");
  }
}

relay::DeliveryFilter read_filter(Query& query) {
  relay::DeliveryFilter filter;
  filter.event_id = query.id<EventId>("event_id");
  filter.replay_id = query.id<ReplayId>("replay_id");
  read_common(query, filter);
  return filter;
}

json::object summary_view(const relay::DeliverySummary& summary) {
  json::array reasons;
  for (const relay::ReasonCount& it : summary.reasons) {
    reasons.push_back(json::object{
        {"state", relay::to_text(it.state)}, {"reason", json_text(it.reason)}, {"count", it.count}});
  }
  return {{"items", std::move(reasons)}, {"counts_are_least", summary.cut}};
}

json::object with_attempts(Transaction& tx, WorkspaceId workspace, const relay::Delivery& delivery) {
  json::object object = view(delivery);
  json::array attempts;
  for (const relay::Attempt& attempt : DeliveryRepository(tx).attempts(workspace, delivery.id)) {
    attempts.push_back(view(attempt));
  }
  object["attempts"] = std::move(attempts);
  const auto payload = DeliveryRepository(tx).payload(workspace, delivery.id);
  object["payload"] = payload ? json::value(view(*payload)) : json::value(nullptr);
  return object;
}

}  // namespace

asio::awaitable<Reply> list_deliveries(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<DeliveryId>();
  const relay::DeliveryFilter filter = read_filter(query);
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [page, filter, who = call.who](Transaction& tx) -> Reply {
    const auto found = DeliveryRepository(tx).list(who.workspace_id, filter, page);
    return json_response(200, listing(found, [](const relay::Delivery& delivery) { return view(delivery); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> summarize_deliveries(const ApiServices& services, Call call) {
  Query query(call.request.query());
  relay::DeliveryFilter filter;
  read_common(query, filter);
  if (filter.state && *filter.state != relay::DeliveryState::dead &&
      *filter.state != relay::DeliveryState::cancelled)
    query.wrong("state", "must be dead or cancelled: only they have a reason to count.");
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [filter, who = call.who](Transaction& tx) -> Reply {
    return json_response(200, summary_view(DeliveryRepository(tx).summary(who.workspace_id, filter)));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> get_delivery(const ApiServices& services, Call call) {
  const auto id = call.id<DeliveryId>("delivery");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto delivery = DeliveryRepository(tx).get(who.workspace_id, id);
    if (!delivery) return std::unexpected(problem_from(delivery.error()));
    return json_response(200, with_attempts(tx, who.workspace_id, *delivery));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> retry_delivery(const ApiServices& services, Call call) {
  const auto id = call.id<DeliveryId>("delivery");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (auto problem = Fields(*body).finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    DeliveryRepository deliveries(tx);
    const auto tried = deliveries.retry(who.workspace_id, id, services.ids, services.clock.now());
    if (!tried) return std::unexpected(problem_from(tried.error()));
    json::object answer{{"delivery_id", tried->to_string()}};
    return Written{200, answer, {"delivery.retried", id.to_string(), answer}};
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.deliveries.wake();
  co_return reply;
}

}  // namespace postern::control
