#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/route_programs.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
using relay::Route;
using relay::RouteRepository;
using relay::Transaction;

Written written(int status, std::string_view action, const Route& route) {
  return {status, view(route), {std::string(action), route.id.to_string(), view(route)}};
}

/// Which of the two is not there, so that the client need not guess.
std::optional<Problem> check_ends(Transaction& tx, const Route& route, const ApiServices& services) {
  std::vector<FieldError> errors;
  if (!relay::SourceRepository(tx, services.keyring).get(route.workspace_id, route.source_id)) {
    errors.push_back({"source_id", "names no source of this workspace."});
  }
  if (!relay::DestinationRepository(tx, services.keyring).get(route.workspace_id, route.destination_id)) {
    errors.push_back({"destination_id", "names no destination of this workspace."});
  }
  if (errors.empty()) return std::nullopt;
  return invalid_fields(std::move(errors));
}

}  // namespace

asio::awaitable<Reply> list_routes(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<RouteId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [page, who = call.who](Transaction& tx) -> Reply {
    const auto found = RouteRepository(tx).list(who.workspace_id, page);
    return json_response(200, listing(found, [](const Route& route) { return view(route); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> create_route(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Route route;
  route.id = services.ids.of<RouteId>();
  route.workspace_id = call.who.workspace_id;
  route.created_at = services.clock.now();
  Fields fields(*body);
  fields.require("source_id");
  fields.require("destination_id");
  route.source_id = fields.id<SourceId>("source_id").value_or(SourceId{});
  route.destination_id = fields.id<DestinationId>("destination_id").value_or(DestinationId{});
  route.enabled = fields.boolean("enabled").value_or(true);
  relay::RoutePrograms programs = read_programs(fields);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto unsound = co_await check_programs(services, programs);
  if (unsound) co_return std::unexpected(std::move(*unsound));
  route.filter = std::move(programs.filter);
  route.transform = std::move(programs.transform);
  auto job = [&services, route](Transaction& tx) -> std::expected<Written, Problem> {
    if (auto problem = check_ends(tx, route, services)) return std::unexpected(std::move(*problem));
    const auto created = RouteRepository(tx).create(route);
    if (!created) return std::unexpected(problem_from(created.error()));
    return written(201, "route.created", route);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> get_route(const ApiServices& services, Call call) {
  const auto id = call.id<RouteId>("route");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto route = RouteRepository(tx).get(who.workspace_id, id);
    if (!route) return std::unexpected(problem_from(route.error()));
    return json_response(200, view(*route));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_route(const ApiServices& services, Call call) {
  const auto id = call.id<RouteId>("route");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const auto enabled = fields.boolean("enabled");
  const auto filter = fields.text("filter", relay::kProgramBytesMax, 0);
  const auto transform = fields.text("transform", relay::kProgramBytesMax, 0);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  relay::RoutePrograms given{filter.value_or(""), transform.value_or("")};
  auto unsound = co_await check_programs(services, std::move(given));
  if (unsound) co_return std::unexpected(std::move(*unsound));
  auto job = [id = *id, enabled, filter, transform,
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    RouteRepository routes(tx);
    auto route = routes.get(who.workspace_id, id);
    if (!route) return std::unexpected(problem_from(route.error()));
    route->enabled = enabled.value_or(route->enabled);
    route->filter = filter.value_or(route->filter);
    route->transform = transform.value_or(route->transform);
    const auto updated = routes.update(*route);
    if (!updated) return std::unexpected(problem_from(updated.error()));
    return written(200, "route.updated", *route);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> delete_route(const ApiServices& services, Call call) {
  const auto id = call.id<RouteId>("route");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    const auto removed = RouteRepository(tx).remove(who.workspace_id, id);
    if (!removed) return std::unexpected(problem_from(removed.error()));
    return Written{204, nullptr, {"route.deleted", id.to_string()}};
  };
  co_return co_await write(services, call, std::move(job));
}

}  // namespace postern::control
