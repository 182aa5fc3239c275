#include "control/cli/actions.hpp"

#include "control/cli/exit_codes.hpp"
#include "control/cli/render.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

Outcome<std::string> path_of(ApiClient& api, const Resource& resource, const std::string& name) {
  auto id = find_id(api, resource.kind, name);
  if (!id) return std::unexpected(id.error());
  return fmt::format("{}/{}", resource.kind, *id);
}

/// The object, and in front of it what is worth saying aloud: it is shown only now.
std::string made(const Resource& resource, const json::value& object, Form form) {
  if (form == Form::json) return raw(object);
  std::string out = format_object(object.as_object());
  if (object.as_object().contains("signing_secret")) {
    out += fmt::format("\nThe signing secret is shown only now: give it to whoever runs this {}.\n",
                       resource.one);
  }
  return out;
}

}  // namespace

Outcome<std::string> create_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     const GivenFlags& given, Form form) {
  auto body = body_from(resource, given, api);
  if (!body) return std::unexpected(body.error());
  if (resource.named) (*body)["name"] = name;
  auto answer = api.post(std::string(resource.kind), *body);
  if (!answer) return std::unexpected(answer.error());
  return made(resource, *answer, form);
}

Outcome<std::string> list_resource(ApiClient& api, const Resource& resource, std::size_t most, Form form) {
  auto items = all_items(api, std::string(resource.kind), most);
  if (!items) return std::unexpected(items.error());
  if (form == Form::json) return raw(json::object{{"items", *items}});
  if (!items->empty()) return format_table(resource.columns, *items);
  return fmt::format("There are no {} yet. postern {} create --help shows how to make one.\n", resource.kind,
                     resource.kind);
}

Outcome<std::string> show_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                   Form form) {
  auto path = path_of(api, resource, name);
  if (!path) return std::unexpected(path.error());
  return shown(api.get(*path), form);
}

Outcome<std::string> update_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     const GivenFlags& given, Form form) {
  auto body = body_from(resource, given, api);
  if (!body) return std::unexpected(body.error());
  if (body->empty()) {
    return std::unexpected(
        CommandError{kExitUsage, fmt::format("nothing to change: postern {} update --help shows "
                                             "what can be.",
                                             resource.kind)});
  }
  auto path = path_of(api, resource, name);
  if (!path) return std::unexpected(path.error());
  const json::value patch = *body;
  auto answer = api.call("PATCH", *path, &patch);
  if (!answer) return std::unexpected(answer.error());
  return made(resource, *answer, form);
}

Outcome<std::string> delete_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     Form form) {
  auto path = path_of(api, resource, name);
  if (!path) return std::unexpected(path.error());
  auto answer = api.call("DELETE", *path, nullptr);
  if (!answer) return std::unexpected(answer.error());
  return form == Form::json ? "{}\n" : fmt::format("deleted {} {}\n", resource.one, name);
}

Outcome<std::string> enroll_agent_command(ApiClient& api, const std::string& name,
                                          const std::vector<std::string>& allow, Form form) {
  auto id = find_id(api, "agents", name);
  if (!id && id.error().exit_code != kExitNotFound) return std::unexpected(id.error());
  if (!id) {
    auto agent = api.post("agents", json::object{{"name", name}});
    if (!agent) return std::unexpected(agent.error());
    id = std::string(agent->as_object().at("id").as_string());
  }
  json::object body;
  if (!allow.empty()) body["allow"] = json::value_from(allow);
  auto enrollment = api.post(fmt::format("agents/{}/enrollment", *id), body);
  if (!enrollment) return std::unexpected(enrollment.error());
  if (form == Form::json) return raw(*enrollment);
  const json::object& made = enrollment->as_object();
  std::string out = fmt::format("Run this on the private host, before {}; it works once:\n\n  {}\n",
                                format_cell(made.at("expires_at")), format_cell(made.at("command")));
  if (allow.empty()) {
    out +=
        "\n--allow says which app the agent may reach: change localhost:8000 to yours, or repeat it for "
        "several.\n";
  }
  return out;
}

Outcome<std::string> agent_command(ApiClient& api, const std::string& name, std::string_view verb,
                                   Form form) {
  auto id = find_id(api, "agents", name);
  if (!id) return std::unexpected(id.error());
  return shown(api.post(fmt::format("agents/{}/{}", *id, verb), json::object()), form);
}

Outcome<std::string> reset_breaker_command(ApiClient& api, const std::string& name, Form form) {
  auto id = find_id(api, "destinations", name);
  if (!id) return std::unexpected(id.error());
  auto answer = api.post(fmt::format("destinations/{}/breaker/reset", *id), json::object());
  if (!answer) return std::unexpected(answer.error());
  return form == Form::json ? "{}\n" : fmt::format("the breaker of {} is closed\n", name);
}

Outcome<std::string> list_audit_command(ApiClient& api, std::size_t most, Form form) {
  constexpr Column columns[] = {
      {"AT", "at"}, {"ACTION", "action"}, {"OBJECT", "object"}, {"BY", "actor"}, {"DETAIL", "detail"}};
  auto items = all_items(api, "audit", most);
  if (!items) return std::unexpected(items.error());
  if (form == Form::json) return raw(json::object{{"items", *items}});
  return items->empty() ? "Nothing has been changed yet.\n" : format_table(columns, *items);
}

}  // namespace postern::control
