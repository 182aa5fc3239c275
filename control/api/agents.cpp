#include "control/api/enrollment.hpp"
#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/names.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Agent;
using relay::AgentRepository;
using relay::Transaction;

using Sessions = std::map<AgentId, relay::AgentSession>;

/// Who holds the sessions of these agents, the newest of which is the first. A node that stands alone knows
/// it by itself.
Sessions sessions_of(std::span<const Agent> agents, Transaction& tx, const ApiServices& services) {
  if (!services.cluster || agents.empty()) return {};
  const WorkspaceId workspace = agents.front().workspace_id;
  return relay::AgentSessionRepository(tx).between(workspace, agents.back().id, agents.front().id);
}

json::object shown(const Agent& agent, const Sessions& sessions, const ApiServices& services) {
  const auto session = sessions.find(agent.id);
  return view(agent, session == sessions.end() ? nullptr : &session->second, services);
}

json::object shown(const Agent& agent, Transaction& tx, const ApiServices& services) {
  return shown(agent, sessions_of({&agent, 1}, tx, services), services);
}

Written written(int status, std::string_view action, const Agent& agent, Transaction& tx,
                const ApiServices& services) {
  return {status,
          shown(agent, tx, services),
          {std::string(action), agent.id.to_string(), {{"name", json_text(agent.name)}}}};
}

std::optional<std::string> read_name(Fields& fields) {
  auto name = fields.text("name", kNameBytes);
  if (name && !is_name(*name)) fields.wrong("name", std::string(kNameRule));
  return name;
}

std::optional<relay::OnCopy> read_on_copy(Fields& fields) {
  const auto text = fields.text("on_copy", 16);
  if (!text) return std::nullopt;
  if (*text == "deny") return relay::OnCopy::deny;
  if (*text != "alert") fields.wrong("on_copy", "must be alert or deny");
  return relay::OnCopy::alert;
}

}  // namespace

asio::awaitable<Reply> list_agents(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<AgentId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, page, who = call.who](Transaction& tx) -> Reply {
    const auto found = AgentRepository(tx, services.keyring).list(who.workspace_id, page);
    const Sessions sessions = sessions_of(found.items, tx, services);
    return json_response(
        200, listing(found, [&](const Agent& agent) { return shown(agent, sessions, services); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> create_agent(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Agent agent;
  agent.id = services.ids.of<AgentId>();
  agent.workspace_id = call.who.workspace_id;
  agent.created_at = services.clock.now();
  Fields fields(*body);
  fields.require("name");
  agent.name = read_name(fields).value_or("");
  agent.replicas = fields.boolean("replicas").value_or(false);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, agent](Transaction& tx) -> std::expected<Written, Problem> {
    const auto created = AgentRepository(tx, services.keyring).create(agent);
    if (!created) return std::unexpected(problem_from(created.error()));
    return written(201, "agent.created", agent, tx, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> get_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto agent = AgentRepository(tx, services.keyring).get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    return json_response(200, shown(*agent, tx, services));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const auto name = read_name(fields);
  const auto replicas = fields.boolean("replicas");
  const auto on_copy = read_on_copy(fields);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, id = *id, name, replicas, on_copy,
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    AgentRepository agents(tx, services.keyring);
    auto agent = agents.get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    agent->name = name.value_or(agent->name);
    agent->replicas = replicas.value_or(agent->replicas);
    auto changed = agents.update(who.workspace_id, id, agent->name, agent->replicas);
    if (changed && on_copy) changed = agents.set_on_copy(who.workspace_id, id, *on_copy);
    if (!changed) return std::unexpected(problem_from(changed.error()));
    agent->on_copy = on_copy.value_or(agent->on_copy);
    return written(200, "agent.updated", *agent, tx, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> delete_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    const auto removed = AgentRepository(tx, services.keyring).remove(who.workspace_id, id);
    if (!removed) return std::unexpected(problem_from(removed.error()));
    return Written{204, nullptr, {"agent.deleted", id.to_string()}};
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.agents.disconnect(*id, "deleted");
  co_return reply;
}

asio::awaitable<Reply> enroll_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const auto allow =
      fields.texts("allow", kAllowMost, kAllowBytes).value_or(std::vector<std::string>{"localhost:8000"});
  check_allow(fields, allow);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  const auto made =
      std::make_shared<const NewEnrollment>(new_enrollment(call.who.workspace_id, *id, services));
  auto job = [&services, id = *id, made, allow,
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    AgentRepository agents(tx, services.keyring);
    const auto agent = agents.get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    const auto created = agents.create_enrollment(made->enrollment);
    if (!created) return std::unexpected(problem_from(created.error()));
    json::object detail{{"join_id", made->enrollment.id.to_string()}};
    return Written{
        201, enrollment_view(*made, allow), {"agent.enrollment_created", id.to_string(), std::move(detail)}};
  };
  co_return co_await write(services, call, std::move(job));
}

/// The catalog's change has every node look at its sessions, and they ask their agents (Hub::check_access).
asio::awaitable<Reply> rotate_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, now = services.clock.now(),
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    AgentRepository agents(tx, services.keyring);
    const auto asked = agents.ask_rotation(who.workspace_id, id, now);
    if (!asked) return std::unexpected(problem_from(asked.error()));
    const auto agent = agents.get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    return written(200, "agent.rotation_asked", *agent, tx, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> clear_agent_copy(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, now = services.clock.now(),
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    AgentRepository agents(tx, services.keyring);
    const auto cleared = agents.clear_copy(who.workspace_id, id, now);
    if (!cleared) return std::unexpected(problem_from(cleared.error()));
    const auto agent = agents.get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    return written(200, "agent.copy_cleared", *agent, tx, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> revoke_agent(const ApiServices& services, Call call) {
  const auto id = call.id<AgentId>("agent");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    AgentRepository agents(tx, services.keyring);
    const auto revoked = agents.revoke(who.workspace_id, id);
    if (!revoked) return std::unexpected(problem_from(revoked.error()));
    const auto agent = agents.get(who.workspace_id, id);
    if (!agent) return std::unexpected(problem_from(agent.error()));
    return written(200, "agent.revoked", *agent, tx, services);
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.agents.disconnect(*id, "revoked");
  co_return reply;
}

}  // namespace postern::control
