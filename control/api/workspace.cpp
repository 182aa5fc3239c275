#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Transaction;
using relay::Workspace;
using relay::WorkspaceRepository;

json::object view(const Workspace& workspace) {
  return {{"id", workspace.id.to_string()},
          {"name", workspace.name},
          {"rate_limit", rate_view(workspace.rate_per_second, workspace.rate_burst)},
          {"created_at", to_rfc3339(workspace.created_at)}};
}

}  // namespace

asio::awaitable<Reply> get_workspace(const ApiServices& services, Call call) {
  Query query(call.request.query());
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [who = call.who](Transaction& tx) -> Reply {
    const auto workspace = WorkspaceRepository(tx).get(who.workspace_id);
    if (!workspace) return std::unexpected(problem_from(workspace.error()));
    return json_response(200, view(*workspace));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_workspace(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const auto rate = fields.rate("rate_limit");
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [rate, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    WorkspaceRepository workspaces(tx);
    if (rate) {
      const auto set = workspaces.set_rate_limit(who.workspace_id, rate->per_second, rate->burst);
      if (!set) return std::unexpected(problem_from(set.error()));
    }
    const auto workspace = workspaces.get(who.workspace_id);
    if (!workspace) return std::unexpected(problem_from(workspace.error()));
    json::object now = view(*workspace);
    json::object detail{{"rate_limit", now.at("rate_limit")}};
    return Written{200, std::move(now), {"workspace.updated", workspace->id.to_string(), std::move(detail)}};
  };
  co_return co_await write(services, call, std::move(job));
}

}  // namespace postern::control
