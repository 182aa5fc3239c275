#include "relay/retention_times.hpp"

#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::RetentionOverrides;
using relay::Transaction;
using relay::WorkspaceRepository;

constexpr Duration kLongest = std::chrono::days(36'500);

json::value own_text(const std::optional<Duration>& own) {
  return own ? json::value(format_duration(*own)) : json::value();
}

json::object view(const relay::Retention& setting, const RetentionOverrides& own) {
  const relay::Retention now = relay::with(setting, own);
  return {{"bodies", format_duration(now.bodies)},
          {"events", format_duration(now.events)},
          {"attempts", format_duration(now.attempts)},
          {"own",
           {{"bodies", own_text(own.bodies)},
            {"events", own_text(own.events)},
            {"attempts", own_text(own.attempts)}}}};
}

/// Null: the relay's setting counts again.
void read_own(Fields& fields, const json::object& body, std::string_view name, std::optional<Duration>& own) {
  const json::value* given = body.if_contains(name);
  if (given && given->is_null()) {
    fields.require(name);  // asked for, and there
    own.reset();
    return;
  }
  const auto read = fields.duration(name, Duration::zero(), kLongest);
  if (!read) return;
  if (*read > Duration::zero() && *read < relay::kRetentionLeast) {
    return fields.wrong(name, "must be at least 1h, or 0 for ever.");
  }
  own = read;
}

void read_all(Fields& fields, const json::object& body, RetentionOverrides& own) {
  read_own(fields, body, "bodies", own.bodies);
  read_own(fields, body, "events", own.events);
  read_own(fields, body, "attempts", own.attempts);
}

}  // namespace

asio::awaitable<Reply> get_retention(const ApiServices& services, Call call) {
  Query query(call.request.query());
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [setting = services.retention, who = call.who](Transaction& tx) -> Reply {
    const auto workspace = WorkspaceRepository(tx).get(who.workspace_id);
    if (!workspace) return std::unexpected(problem_from(workspace.error()));
    return json_response(200, view(setting, workspace->retention));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_retention(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  // Read once to find what is wrong, and once more in the job, over what is stored.
  RetentionOverrides tried;
  Fields fields(*body);
  read_all(fields, *body, tried);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [setting = services.retention, body = *body,
              who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    WorkspaceRepository workspaces(tx);
    auto workspace = workspaces.get(who.workspace_id);
    if (!workspace) return std::unexpected(problem_from(workspace.error()));
    Fields again(body);
    read_all(again, body, workspace->retention);
    const auto kept = workspaces.set_retention(who.workspace_id, workspace->retention);
    if (!kept) return std::unexpected(problem_from(kept.error()));
    json::object now = view(setting, workspace->retention);
    return Written{200, now, {"retention.updated", who.workspace_id.to_string(), now}};
  };
  co_return co_await write(services, call, std::move(job));
}

}  // namespace postern::control
